"""Faults of a real Dask cluster: each is an error with its reason for who called, and nothing goes on or is left."""

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from daemon_harness import in_own_process
from dask_cluster import Cluster, attempts_folder, needs_dask, running_cluster
from helpers import PATIENCE_S, wait_for

from daemon.cli import replay
from daemon.cli.session import Exit
from daemon.config.config import load_config
from daemon.runtime.cluster import courier, task
from daemon.runtime.cluster.client import ClusterWorker, Work
from daemon.runtime.cluster.files import FolderExchange
from daemon.runtime.cluster.requests import CollectRequest, ReplayRequest, Scheduler, SubmitRequest
from daemon.runtime.worker.process import WorkerError
from daemon.tools import doctor_cluster
from daemon.tools.doctor_cluster import executor_told
from daemon.tools.replay.remote import Elsewhere
from retrain.operations import AcceptedFile, PrepareRequest
from retrain.records.errors import Refused, Retry
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings

pytestmark = needs_dask
SETTINGS = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y"})
SCHEMA = Schema((Column("x", "number"), Column("y", "category")), "classification", "y")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """One worker."""
    with running_cluster() as made:
        yield made


class Asked:
    """A stage that hangs on the cluster, and what came of it; `end` lets go of it as control does."""

    def __init__(self, cluster: Cluster, state: Path, wait_s: float = 60.0) -> None:
        exchange = state / "work" / "exchange"
        exchange.mkdir(parents=True)
        self.hanging = state / "hanging.parquet"
        os.mkfifo(self.hanging)
        self.placed: list[str] = []
        self.error: WorkerError | None = None
        self._loop = asyncio.new_event_loop()
        self._worker = ClusterWorker(
            Scheduler(cluster.address), Work(1, 0), {"nothing": state / "nothing"}, state, FolderExchange(exchange), "7",
            wait_s, self.placed.append,
        )  # fmt: skip
        work = state / "nothing" / "work"
        work.mkdir(parents=True)
        file = AcceptedFile(seq=1, snapshot=self.hanging, digest="d", rows=1)
        self._request = PrepareRequest(files=(file,), schema=SCHEMA, settings=SETTINGS, work=work)
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._run()), daemon=True)
        self._thread.start()

    async def _run(self) -> None:
        self._task = asyncio.current_task()
        try:
            await self._worker.call(self._request, 600.0, "limits.train_time")
        except WorkerError as error:
            self.error = error
        except asyncio.CancelledError:
            pass
        finally:
            await self._worker.close()

    def end(self) -> None:
        """Control stops."""
        self._loop.call_soon_threadsafe(self._task.cancel)  # type: ignore[union-attr]
        self._thread.join(PATIENCE_S)

    def failed(self) -> WorkerError:
        """The error that it ended with."""
        self._thread.join(PATIENCE_S)
        assert self.error is not None, "it goes on"
        return self.error


@pytest.fixture
def ask(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., Asked]]:
    """Begins a stage that hangs."""
    made: list[Asked] = []

    def begin(working: bool = True, **options: Any) -> Asked:
        made.append(Asked(cluster, tmp_path, **options))
        if working:
            wait_for(lambda: cluster.attempts() and any("child" in name for name in names(cluster.working())))
        return made[0]

    yield begin
    for one in made:
        if one._thread.is_alive():
            one.end()


def names(pids: list[int]) -> list[str]:
    """Command lines of processes that are there."""
    found = []
    for pid in pids:
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def is_idle(cluster: Cluster) -> bool:
    """Whether no process of an attempt is left, and no folder."""
    return bool(wait_for(lambda: not cluster.working() and not cluster.attempts()))


def test_a_killed_worker_is_an_error_and_its_stage_ends(cluster: Cluster, ask: Callable[..., Asked]) -> None:
    """The stage's processes end with the worker, and its folder is gone; nobody waits for another one to do it again."""
    asked = ask()
    cluster.kill_worker()
    error = asked.failed()
    assert error.kind == "retry" and "was lost" in error.message and asked.placed[0] in error.message
    assert is_idle(cluster)


def test_another_worker_that_is_given_the_task_ends_it(cluster: Cluster, ask: Callable[..., Asked]) -> None:
    """Dask gives a dead worker's task to another one, which notices that nobody waits for it."""
    asked = ask()
    cluster.start_worker()
    wait_for(lambda: cluster.registered() >= 2)
    cluster.kill_worker()
    assert "was lost" in asked.failed().message
    assert is_idle(cluster)


def test_a_lost_scheduler_is_an_error_and_the_stage_ends(cluster: Cluster, ask: Callable[..., Asked]) -> None:
    """The worker that cannot reach it any more stops what it does."""
    asked = ask()
    assert cluster.scheduler is not None
    cluster.scheduler.kill()
    error = asked.failed()
    assert error.kind == "retry" and "scheduler" in error.message and cluster.address in error.message
    assert is_idle(cluster)


def test_a_cancelled_task_is_an_error_and_the_stage_ends(cluster: Cluster, ask: Callable[..., Asked]) -> None:
    """Dask itself lets it run on."""
    from distributed import Client, Future

    asked = ask()
    with Client(f"tcp://127.0.0.1:{cluster.port}", set_as_default=False) as client:
        keys = [key for found in client.processing().values() for key in found]
        client.cancel([Future(key, client) for key in keys], force=True)
    error = asked.failed()
    assert error.kind == "retry" and "cancelled the task" in error.message
    assert is_idle(cluster)


def test_control_that_stops_ends_the_stage(cluster: Cluster, ask: Callable[..., Asked]) -> None:
    """The scheduler lets go of what its client waited for."""
    ask().end()
    assert is_idle(cluster)


def test_without_a_worker_it_fails_in_time(cluster: Cluster, ask: Callable[..., Asked]) -> None:
    """With what to do; nothing runs once there is one."""
    cluster.kill_worker()
    error = ask(working=False, wait_s=0.5).failed()
    assert error.kind == "retry" and "dask worker" in error.message
    cluster.start_worker()
    assert is_idle(cluster)


def test_a_stage_that_dask_gave_to_a_busy_worker_waits_for_one_that_is_free(
    cluster: Cluster, ask: Callable[..., Asked], tmp_path: Path
) -> None:
    """Not placed while another one runs there: it fails after its time to wait, not after that of its work; the first
    goes on."""
    first = ask()
    second = Asked(cluster, tmp_path / "second", wait_s=1.0)
    error = second.failed()
    assert error.kind == "retry" and "none of the 1 workers" in error.message and not second.placed
    assert first.placed and first.error is None and cluster.attempts()


def test_an_answer_that_is_no_text_or_too_long_is_an_error(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line to control has an end."""
    monkeypatch.setattr(courier.task, "run", len)
    known = Scheduler(cluster.address)
    try:
        courier.submit(SubmitRequest(scheduler=known, key="number", text="x", wait_s=60.0))
        with pytest.raises(Retry, match="answered no text"):
            courier.collect(CollectRequest(key="number"))
        monkeypatch.setattr(courier.task, "run", str.upper)
        monkeypatch.setattr(courier, "MOST_ANSWER", 3)
        courier.submit(SubmitRequest(scheduler=known, key="long", text="xxxx", wait_s=60.0))
        with pytest.raises(Retry, match="more than 3 characters"):
            courier.collect(CollectRequest(key="long"))
    finally:
        courier.close()


def test_what_a_courier_before_this_one_sent_is_lost() -> None:
    """And tried again."""
    with pytest.raises(Retry, match="was lost"):
        courier.collect(CollectRequest(key="of another process"))


@pytest.mark.parametrize("lacking", ["ca", "cert", "key"])
def test_a_file_of_tls_that_is_not_there_is_named(lacking: str, tmp_path: Path) -> None:
    """With the keys that name it."""
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    for name, path in files.items():
        if name != lacking:
            path.touch()
    with pytest.raises(Refused, match=rf"{lacking}\.pem: No such file or directory; \[service\] executor_ca"):
        courier.workers_of(Scheduler("dask+tls://127.0.0.1:1", **files))


def test_a_configuration_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Also where a replay reads it for its executor alone."""
    (tmp_path / "config.toml").write_text("broken = [")
    with pytest.raises(Exit, match="not valid TOML") as caught:
        replay._executor(tmp_path / "config.toml")
    assert caught.value.status == 2


def test_a_replay_that_is_ended_lets_go_of_its_variants(cluster: Cluster, tmp_path: Path) -> None:
    """As by Ctrl-C, within seconds, also while these wait for a worker for days; nothing goes on there."""
    cluster.kill_worker()
    config = tmp_path / "config.toml"
    config.write_text(
        f'[service]\nexecutor = "{cluster.address}"\n[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n'
    )
    (tmp_path / "history.csv").write_text("x,y\n1,a\n")
    request = ReplayRequest(
        files=(tmp_path / "history.csv",), settings=SETTINGS, source=SETTINGS, config_dir=tmp_path, batches=10, initial=4,
        times={},
    )  # fmt: skip
    elsewhere = Elsewhere(load_config(config), {"one": request, "other": request}, tmp_path)
    wait_for(lambda: courier._clients)
    elsewhere.end()
    assert not elsewhere._thread.is_alive() and not courier._clients
    cluster.start_worker()
    assert is_idle(cluster)


def test_a_killed_attempt_or_child_is_told(cluster: Cluster, ask: Callable[..., Asked]) -> None:
    """As the death of a trainer here."""
    asked = ask()
    for pid in cluster.working():
        if "worker.child" in "".join(names([pid])):
            os.kill(pid, 9)
    error = asked.failed()
    assert error.kind == "died" and "killed by signal 9" in error.message


def test_variants_of_a_replay_are_played_by_the_workers(cluster: Cluster, tmp_path: Path) -> None:
    """With the results that they have here, but for the seconds; nothing is left."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=1500)
    history = tmp_path / "history.parquet"
    pq.write_table(pa.table({"x": x, "y": np.where(x * np.where(np.arange(1500) < 700, 1, -1) > 0, "a", "b")}), history)
    model = '[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\nestimator.params = { max_iter = 5 }\n'
    for name, text in (
        ("here", model), ("there", f'[service]\nexecutor = "{cluster.address}"\n{model}'),
        ("eager", f"{model}triggers.regret = 0.1\n"), ("other", f'{model}[models.m.columns]\nx = "number"\ny = "category"\n'),
    ):  # fmt: skip
        (tmp_path / f"{name}.toml").write_text(text)
    variants = [word for name in ("eager", "other") for word in ("--variant", str(tmp_path / f"{name}.toml"))]
    found = {}
    for name in ("here", "there"):
        asked = [
            "-c",
            str(tmp_path / f"{name}.toml"),
            "replay",
            str(history),
            "--batches",
            "10",
            "--baselines",
            "none",
            "--json",
        ]
        done = in_own_process([*asked, *variants])
        assert done.returncode == 0, done.stderr
        found[name] = without_seconds(json.loads(done.stdout)["variants"])
    assert found["here"] == found["there"] and len(found["here"]) == 2
    assert attempts_folder(cluster.temporary).is_dir(), "the workers did nothing"
    assert not cluster.attempts() and not list(cluster.temporary.glob("driftd-replay-*"))


def without_seconds(value: Any) -> Any:
    """The same without what depends on the clock."""
    if isinstance(value, dict):
        return {key: without_seconds(one) for key, one in value.items() if "seconds" not in key}
    return [without_seconds(one) for one in value] if isinstance(value, list) else value


def test_the_doctor_tells_what_differs_on_a_worker(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that there is no worker, or no scheduler, each with what to do."""
    path = tmp_path / "config.toml"
    path.write_text(
        f'[service]\nexecutor = "{cluster.address}"\n[models.m]\ndata_dir = "d"\ntask = "regression"\ntarget = "y"\n'
    )
    config = load_config(path)
    assert [level for level, _, _ in executor_told(config)] == ["ok", "ok"]
    with monkeypatch.context() as patched:
        patched.setattr(doctor_cluster, "about", lambda: task.about() | {"scikit-learn": "0.1"})
        level, what, _ = next(iter(executor_told(config)))
        assert level == "error" and "here 0.1" in what and "scikit-learn" in what
    cluster.kill_worker()
    wait_for(lambda: [level for level, _, _ in executor_told(config)] == ["warning"])
    assert cluster.scheduler is not None
    cluster.scheduler.kill()
    monkeypatch.setattr(courier, "CONNECT_S", 0.5)
    ((level, what, way_out),) = executor_told(config)
    assert level == "error" and "cannot be reached" in what and "dask scheduler" in way_out


def test_a_scheduler_that_is_not_there_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a sentence."""
    monkeypatch.setattr(courier, "CONNECT_S", 0.5)
    with pytest.raises(Retry, match=r"dask://127\.0\.0\.1:1 cannot be reached"):
        courier.workers_of(Scheduler("dask://127.0.0.1:1"))


def test_workers_are_taken_by_certificates_alone(tmp_path: Path) -> None:
    """With TLS who has none that the authority signed is not spoken with; who has one is."""
    make_certificates(tmp_path)
    files = ["--tls-ca-file", "ca.pem", "--tls-cert", "cert.pem", "--tls-key", "key.pem"]
    options = [str(tmp_path / one) if one.endswith(".pem") else one for one in files]
    with running_cluster(options=options, scheme="tls") as cluster:
        known = Scheduler(cluster.address, tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem")
        try:
            assert [found["driftd"] != "none" for found in courier.workers_of(known).values()] == [True]
            with pytest.raises(Retry):
                courier.workers_of(Scheduler(f"dask://127.0.0.1:{cluster.port}"))
        finally:
            courier.close()


def make_certificates(folder: Path) -> None:
    """An authority, and one certificate that it signed."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=PATIENCE_S)

    new = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority")
    openssl("req", *new, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=driftd")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-out", "cert.pem")  # fmt: skip
