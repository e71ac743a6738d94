"""What is loaded: every peer and driftd's own routes, started, and checked on the bodies that will be sent."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from daemon_harness import free_port

from benchmarks import environments
from benchmarks.serving import formats, peers
from benchmarks.serving.data import BODY_SEED, Row, sample
from benchmarks.serving.formats import Format
from benchmarks.serving.own import FALLBACK, Own
from benchmarks.serving.processes import NoAnswer, ask, pss_mb
from benchmarks.serving.wrk import write_bodies

BATCHES = {1: 32, 100: 8}  # rows of a body: how many different bodies
MEAN_OFF, SAME = 0.1, 1e-6  # trained on 40,000 rows and with native categories, 0.05 is usual
NOT_FOUND = 404
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Endpoint:
    """A route of a running server; `pids` are the process to weigh, and where driftd's server is a part of it, that."""

    name: str
    address: str
    format: Format
    pids: tuple[int, ...]
    peer: bool = True

    @property
    def url(self) -> str:
        """What is posted to."""
        return self.address + self.format.path

    @property
    def memory_mb(self) -> tuple[float, ...]:
        """PSS with all children; for driftd also that of its server alone."""
        whole, *parts = self.pids
        return (pss_mb(whole), *(pss_mb(pid, children=False) for pid in parts))


def bodies() -> dict[int, list[list[Row]]]:
    """The rows of each body by their number: different ones, some with nulls and unseen categories."""
    found = {}
    for rows, count in BATCHES.items():
        drawn = sample(rows * count, BODY_SEED + rows)
        found[rows] = [drawn[start : start + rows] for start in range(0, rows * count, rows)]
    return found


@contextlib.contextmanager
def all_running(
    chosen: Sequence[str], rows: Path, folder: Path, envs: Path, base: str, tell: Tell
) -> Iterator[list[Endpoint]]:
    """Start every server, one after the other; one that fails is told and left out."""
    with contextlib.ExitStack() as stack:
        found = [*_peers(stack, chosen, rows, folder, envs, base, tell), *_own(stack, rows, folder, tell)]
        yield found


def _peers(
    stack: contextlib.ExitStack, chosen: Sequence[str], rows: Path, folder: Path, envs: Path, base: str, tell: Tell
) -> Iterator[Endpoint]:
    probe = bodies()[1][0]
    for number, peer in enumerate(each for each in peers.PEERS if each.tool in chosen):
        tell(f"{peer.name}: starting …")
        try:
            requirements = peers.HERE / f"requirements-{peer.tool}.txt"
            python = environments.interpreter(requirements, envs / f"serving-{peer.tool}", base, tell)
            model = peers.saved(peer.tool, python, rows, folder)
            port = free_port()
            process = peers.start(peer, python, model, port, folder / f"peer-{number}")
            stack.callback(process.end)
            endpoint = Endpoint(peer.name, f"http://{peers.LOCAL}:{port}", peer.format, (process.pid,))
            process.wait_for(endpoint.url, peer.format.encode(probe))
            yield endpoint
        except (environments.Failed, NoAnswer) as error:
            tell(f"{peer.name} is left out: {error}")


def _own(stack: contextlib.ExitStack, rows: Path, folder: Path, tell: Tell) -> Iterator[Endpoint]:
    tell("driftd: training …")
    daemon = Own(folder / "driftd")
    fallback = Own(folder / "driftd-scikit-learn", extra=FALLBACK)
    yield from _routes("driftd", _served(stack, daemon, rows), tell)
    if fallback.understood:
        tell("driftd, scikit-learn: training …")
        served = _served(stack, fallback, rows)
        yield _endpoint("driftd, scikit-learn", served, formats.DRIFTD)
    else:
        tell('driftd, scikit-learn is left out: this driftd does not know [models.m.serving] runtime = "scikit-learn"')


def _served(stack: contextlib.ExitStack, daemon: Own, rows: Path) -> Own:
    stack.callback(daemon.close)
    daemon.start()
    daemon.learn(rows, "first.csv")
    return daemon


def _routes(name: str, daemon: Own, tell: Tell) -> Iterator[Endpoint]:
    """Its own route, and the others where they are there."""
    yield _endpoint(name, daemon, formats.DRIFTD)
    probe = bodies()[1][0]
    for label, form in (("v2 infer", formats.DRIFTD_V2), ("invocations", formats.DRIFTD_INVOCATIONS)):
        endpoint = _endpoint(f"{name}, {label}", daemon, form)
        try:
            ask(endpoint.url, form.encode(probe))
        except NoAnswer as error:
            why = "this driftd has no such route" if error.status == NOT_FOUND else error
            tell(f"{endpoint.name} is left out: {why}")
        else:
            yield endpoint


def _endpoint(name: str, daemon: Own, form: Format) -> Endpoint:
    return Endpoint(name, daemon.url, form, (daemon.pid, daemon.server_pid), peer=False)


def written(endpoint: Endpoint, folder: Path) -> dict[int, Path]:
    """Files of its bodies, by the number of rows of each."""
    stem = "".join(letter if letter.isalnum() else "-" for letter in endpoint.name)
    return {
        rows: write_bodies(folder / f"{stem}-{rows}.txt", [endpoint.format.encode(each) for each in batches])
        for rows, batches in bodies().items()
    }


def checked(endpoints: Sequence[Endpoint], tell: Tell) -> list[Endpoint]:
    """Those that answer every body with 200 and a value a row, and predict alike: peers equal, driftd, which learned
    from fewer rows and takes categories as they are, close."""
    sound, expected = [], None
    plain = sample(100, BODY_SEED, plain=True)
    for endpoint in endpoints:
        try:
            for batch in (batch for batches in bodies().values() for batch in batches):
                _values(endpoint, batch)
            said = _values(endpoint, plain)
            if expected is not None:
                tell(f"{endpoint.name}: {_compare(endpoint, said, expected)}")
        except (NoAnswer, OSError, LookupError, TypeError, ValueError) as error:
            tell(f"{endpoint.name} is left out: {type(error).__name__}: {error}")
            continue
        expected = said if expected is None and said.dtype.kind == "f" else expected
        sound.append(endpoint)
    return sound


def asked_by_mlflow(endpoints: Sequence[Endpoint], folder: Path, environment: Path, tell: Tell) -> None:
    """Have MLflow's own scoring client ask driftd, unchanged; NoAnswer where it gets something else than JSON gets."""
    for endpoint in endpoints:
        if endpoint.name != "driftd":
            continue
        rows = bodies()[100][0]
        path = folder / "mlflow-client.json"
        path.write_text(json.dumps(formats.MLFLOW.encode(rows)["dataframe_split"]), "utf-8")
        python, script = environment / "bin/python", Path(__file__).with_name("mlflow_client.py")
        said = environments.run([str(python), str(script), endpoint.address.removeprefix("http://"), "m", str(path)])
        given = ["yes" if value > 0.5 else "no" for value in _values(endpoint, rows)]
        if json.loads(said.splitlines()[-1]) != given:
            raise NoAnswer("MLflow's scoring client was answered otherwise than a plain request")
        tell("MLflow's own scoring client gets the same answers from driftd")


def _values(endpoint: Endpoint, rows: Sequence[Row]) -> np.ndarray:
    values = np.array(endpoint.format.decode(ask(endpoint.url, endpoint.format.encode(rows))))
    sound = values.shape == (len(rows),)
    if sound and values.dtype.kind == "f":
        sound = bool(np.all((values >= 0) & (values <= 1)))
    if not sound:
        raise NoAnswer(f"expected {len(rows)} probabilities or classes, got {values.shape} {values.dtype}")
    return values


def _compare(endpoint: Endpoint, said: np.ndarray, expected: np.ndarray) -> str:
    if said.dtype.kind != "f":
        share = float(np.mean((said == formats.YES) == (expected > 1 / 2)))
        if share < 1 - MEAN_OFF:
            raise NoAnswer(f"only {share:.0%} of its classes are those of the first server")
        return f"classes, {share:.0%} as the first server's"
    off = np.abs(said - expected)
    if off.mean() > (SAME if endpoint.peer else MEAN_OFF):
        raise NoAnswer(f"its probabilities are off by {off.mean():.3g} on average, {off.max():.3g} at most")
    return f"probabilities differ by {off.mean():.2g} on average, {off.max():.2g} at most"
