"""What an answer costs beside implicit, on generated logs: in process, and over HTTP beside a service of FastAPI.

Both have the same histories, answer ten items that a person does not know, and run in turns on this machine, one thread
each; the peer is in an environment that is made for it (500 MB). Needs wrk."""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
from daemon_harness import drop, free_port
from recommender_harness import MODEL, ShopDaemon
from rich.console import Console
from rich.table import Table

from benchmarks import environments
from benchmarks.figures import Goal, machine
from benchmarks.serving.processes import Process, ask
from benchmarks.serving.wrk import Wrk, write_bodies
from daemon.ledger import deployments, promotions
from retrain.recommendation.answering import Wanted, basis_of, rank
from retrain.recommendation.blend import Blend, feature_names
from retrain.recommendation.counters import count, longest_for
from retrain.recommendation.ease import fit
from retrain.recommendation.interactions import Codes, interactions_of
from retrain.recommendation.parts import HALF_LIVES
from retrain.recommendation.requests import history_of_events
from retrain.recommendation.standing import standing

HERE = Path(__file__).parent
SIZES, USERS, EVENTS, PEOPLE = (10_000, 100_000), 20_000, 600_000, 1_000
CONNECTIONS, HTTP_GOAL, IN_PROCESS_GOALS = (1, 16, 64), 1.5, (1.2, 0.8)
START_S, DAYS = 1_700_000_000, 60
DAY_MS = 86_400_000.0
ALL = Blend(dict.fromkeys(feature_names(), 1.0), dict.fromkeys(feature_names()[:10], 1.0), True)
"""Every part weighs something: no table is left out."""


@dataclass(frozen=True)
class Log:
    """Events (n,) by codes of users and items, in order of time, in seconds."""

    items: int
    user: Codes
    item: Codes
    time_s: Codes

    def save(self, path: Path) -> Path:
        """For the peer."""
        np.savez(path, user=self.user, item=self.item, users=USERS, items=self.items)
        return path

    @property
    def table(self) -> pa.Table:
        """As a data file."""
        users, items = (np.char.add(letter, codes.astype(str)) for letter, codes in (("u", self.user), ("", self.item)))
        return pa.table({"who": users, "what": np.char.add("i", np.char.zfill(items, 6)), "at": self.time_s})


def generated(items: int) -> Log:
    """A log with many people of like taste: popularity falls by rank, and each has a tenth of the items as a field."""
    rng = np.random.default_rng(items)
    user, rank_ = rng.integers(0, USERS, EVENTS), rng.random(EVENTS)
    within = ((items // 10) ** rank_).astype(np.int64) - 1
    field = np.where(rng.random(EVENTS) < 0.8, user % 10, rng.integers(0, 10, EVENTS))
    time_s = START_S + np.sort(rng.integers(0, DAYS * 86_400, EVENTS))
    return Log(items, user, within * 10 + field, time_s)


def main() -> None:
    """In process at both sizes, then over HTTP at the smaller one."""
    asked = _arguments()
    console = Console()
    told: list[Goal] = []
    with tempfile.TemporaryDirectory(prefix="driftd-answers-") as folder:
        python = environments.interpreter(
            HERE / "requirements-fastapi.txt", asked.envs / "fastapi", asked.python, console.print
        )
        for items, target in zip(SIZES, IN_PROCESS_GOALS, strict=True):
            told += _in_process(items, target, python, Path(folder), console)
        told += _over_http(generated(SIZES[0]), python, Path(folder), asked, console)
    table = Table("what", "measured", "target", "")
    for goal in told:
        table.add_row(goal.name, *goal.words)
    console.print(table)
    print(json.dumps({"machine": machine(), "goals": [[goal.name, goal.value, goal.met] for goal in told]}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommend.answers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load")
    parser.add_argument("--rounds", type=int, default=3, help="of each load, in turns")
    default = Path(tempfile.gettempdir(), "driftd-bench-recommend")
    parser.add_argument("--envs", type=Path, default=default / "envs", metavar="DIR", help="virtual environments")
    parser.add_argument("--python", default=sys.executable, help="makes them")
    return parser.parse_args()


def _in_process(items: int, target: float, python: str, folder: Path, console: Console) -> list[Goal]:
    log = generated(items)
    own = _own_ms(log)
    command = [python, str(HERE / "run_folded.py"), str(log.save(folder / f"{items}.npz")), str(PEOPLE)]
    peer = json.loads(environments.run(command).splitlines()[-1])
    console.print(f"{items:,} items, one answer in process: {own:.2f} ms, implicit {peer['ms']:.2f} ms", _load())
    return [Goal(f"{items:,} items, in process, time / implicit's fold-in", own / peer["ms"], "×", target)]


def _own_ms(log: Log) -> float:
    """The median time of an answer."""
    table = log.table
    events = interactions_of(table["who"].to_pylist(), table["what"].to_pylist(), log.time_s * 1000)
    half_lives = tuple(None if one is None else one * DAY_MS for one in HALF_LIVES)
    counters = count(events, half_lives, longest_for(events))
    counted, took = standing(counters), []
    base = basis_of(counted, fit(counters), ALL, events.newest_ms)
    for user in range(PEOPLE):
        started = time.perf_counter()
        item, _, weight = counted.events_of(f"u{user}")
        rank(base, history_of_events(item, weight), Wanted(10, np.unique(item)))
        took.append(time.perf_counter() - started)
    return statistics.median(took) * 1e3


def _over_http(log: Log, python: str, folder: Path, asked: argparse.Namespace, console: Console) -> list[Goal]:
    """Requests a second of both, the load of each kind in turns; the median of the rounds."""
    wrk, goals = Wrk(folder), []
    bodies = write_bodies(folder / "bodies", [{"users": [f"u{user}"], "k": 10} for user in range(PEOPLE)])
    with _driftd(log, folder) as own, _peer(log, python, folder) as peer:
        for connections in CONNECTIONS:
            rates: dict[str, list[float]] = {own: [], peer: []}
            for _ in range(asked.rounds):
                for url, found in rates.items():
                    load = wrk.run(url, bodies, connections, asked.seconds)
                    found.append(load.per_s if not load.failed else 0.0)
            first, second = (statistics.median(found) for found in rates.values())
            console.print(f"{connections} connections: {first:,.0f} requests a second, peer {second:,.0f}", _load())
            name = f"{connections} connections, requests a second / FastAPI + implicit"
            goals.append(Goal(name, first / max(second, 1e-9), "×", HTTP_GOAL, True))
    return goals


@contextlib.contextmanager
def _driftd(log: Log, folder: Path) -> Iterator[str]:
    """The address of a real service that took the log in, with a version of it and a blend of all parts."""
    home = folder / "driftd"
    home.mkdir()
    daemon = ShopDaemon(home)
    daemon.start()
    try:
        drop(log.table, daemon.data / "log.parquet")
        daemon.wait("file_accepted", file="log.parquet")
        name = daemon.promote_trained()
        daemon.wait("model_swapped", version=name)
        swapped, ledger = len(daemon.events), daemon.ledger
        with ledger.begin() as conn:
            one = replace(deployments.for_version(conn, MODEL, name, time.time()), calibration=ALL.to_json())
            promotions.record(conn, MODEL, one, "manual", "all parts", time.time())
        ledger.close()
        daemon.wait("model_swapped", since=swapped)
        yield f"{daemon.url}/models/{MODEL}/recommend"
    finally:
        daemon.close()


@contextlib.contextmanager
def _peer(log: Log, python: str, folder: Path) -> Iterator[str]:
    port = free_port()
    command = [python, "-m", "uvicorn", "service_fastapi:app", "--port", str(port), "--log-level", "warning"]
    environment = environments.quiet(LOG=str(log.save(folder / "served.npz")))
    process = Process(command, environment, folder / "peer.log", HERE)
    url = f"http://127.0.0.1:{port}/recommend"
    try:
        process.wait_for(url, {"users": ["u1"], "k": 10})
        assert len(ask(url, {"users": ["u1"], "k": 10})["recommendations"][0]["items"]) == 10
        yield url
    finally:
        process.end()


def _load() -> str:
    return f"(load of the machine {psutil.getloadavg()[0]:.1f})"


if __name__ == "__main__":
    main()
