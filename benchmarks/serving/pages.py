"""What open pages cost those who ask for predictions: fifty that follow a ledger which changes every second."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import Goal
from benchmarks.serving import paced
from benchmarks.serving.formats import DRIFTD
from benchmarks.serving.open_pages import OpenPages
from benchmarks.serving.own import Own
from benchmarks.serving.swapper import one_row_bodies

PAGES, RATES, ROUNDS = 50, (60, 500), 3
CHANGE_S, WARM_UP_S, SLOWER = 1.0, 2.0, 1.2


def measure(first: Path, folder: Path, seconds: float, tell: Callable[[str], None]) -> tuple[list[Goal], Any]:
    """At each pace, in turn without pages and with them, each for `seconds` a round; the ledger changes all along."""
    bodies = one_row_bodies(folder)
    tell("training a version …")
    daemon = Own(folder / "driftd")
    goals, results = [], []
    try:
        daemon.start()
        daemon.learn(first, "first.csv")
        with Changing(daemon):
            for rate in RATES:
                found, result = _at(rate, daemon, bodies, seconds, tell)
                goals += found
                results.append(result)
    finally:
        daemon.close()
    return goals, {"pages": PAGES, "paces": results}


def _at(
    rate: int, daemon: Own, bodies: Path, seconds: float, tell: Callable[[str], None]
) -> tuple[list[Goal], dict[str, Any]]:
    """Rounds in turn, so that what else the machine does meets both; the 99th percentile of all their answers."""
    found: dict[str, list[paced.Answers]] = {"without": [], "with": []}
    seen: Counter[str] = Counter()
    for _ in range(ROUNDS):
        time.sleep(WARM_UP_S)
        found["without"].append(paced.during(seconds, daemon.port, DRIFTD.path, bodies, rate))
        pages = OpenPages(daemon.port, PAGES)
        time.sleep(WARM_UP_S)
        found["with"].append(paced.during(seconds, daemon.port, DRIFTD.path, bodies, rate))
        seen.update(pages.close())
    p99 = {name: float(np.percentile(np.concatenate([one.ms for one in rounds]), 99)) for name, rounds in found.items()}
    p50 = {name: float(np.percentile(np.concatenate([one.ms for one in rounds]), 50)) for name, rounds in found.items()}
    failures = [failure for rounds in found.values() for one in rounds for failure in one.failures]
    tell(f"{rate}/s: p99 {p99['without']:.3g} → {p99['with']:.3g} ms with {PAGES} pages, which saw {dict(seen)}")
    goals = [
        Goal(f"{PAGES} open pages beside {rate}/s: failed requests", len(failures), "requests", 0),
        Goal(f"{PAGES} open pages beside {rate}/s: p99 / without", p99["with"] / p99["without"], "×", SLOWER),
    ]
    return goals, {"rate": rate, "p50_ms": p50, "p99_ms": p99, "seen": dict(seen), "failures": failures[:10]}


class Changing:
    """While it is entered, the model is paused and resumed in turn, a change each: no pages would follow a ledger that
    stands still."""

    def __init__(self, daemon: Own) -> None:
        self._daemon = daemon
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Changing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        for command in cycle(("pause", "resume")):
            if self._stop.wait(CHANGE_S):
                return
            self._daemon.command(command, model="m")
