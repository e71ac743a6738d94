"""What a training beside the server costs those who ask: many rows are dropped, taken in, checked and learned."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from daemon_harness import Event

from benchmarks.figures import Goal
from benchmarks.serving import paced
from benchmarks.serving.formats import DRIFTD
from benchmarks.serving.own import Own
from benchmarks.serving.swapper import AFTER_S, one_row_bodies

RATES = (60, 500)
SLOWER = 3.0
WARM_UP_S, KEPT_UP = 2.0, 0.95
STAGES = ("prepare", "train", "evaluate", "promote")


def measure(
    first: Path, many: Sequence[Path], folder: Path, seconds: float, tell: Callable[[str], None]
) -> tuple[list[Goal], Any]:
    """At each pace: alone for `seconds`, then with a file of many rows, until its version is served."""
    bodies = one_row_bodies(folder)
    rows = pq.read_metadata(many[0]).num_rows
    tell("training the first version …")
    daemon = Own(folder / "driftd", triggers=f"growth = false\nnew_rows = {rows * 4 // 5}", max_rows=rows)
    goals, results = [], []
    try:
        daemon.start()
        daemon.learn(first, "first.csv")
        for rate, file in zip(RATES, many, strict=True):
            found, result = _at(rate, file, rows, daemon, bodies, seconds, tell)
            goals += found
            results.append(result)
    finally:
        daemon.close()
    return goals, {"rows": rows, "paces": results}


def _at(
    rate: int, file: Path, rows: int, daemon: Own, bodies: Path, seconds: float, tell: Callable[[str], None]
) -> tuple[list[Goal], dict[str, Any]]:
    time.sleep(WARM_UP_S)
    what = f"training of {rows:,} rows beside {rate}/s"
    idle = paced.during(seconds, daemon.port, DRIFTD.path, bodies, rate)
    if idle.per_s < KEPT_UP * rate:
        tell(f"{rate}/s is left out: alone, the server answers {idle.per_s:.0f}/s, p99 {idle.p99_ms():.3g} ms")
        return [Goal(f"{what}: answered alone", idle.per_s, "requests/s", KEPT_UP * rate, True)], {"rate": rate}
    since, load = len(daemon.events), paced.Paced(daemon.port, DRIFTD.path, bodies, rate)
    daemon.copy_in(file, file.name)
    daemon.trained(since)
    time.sleep(AFTER_S)
    beside = load.end()
    spans = _spans(daemon.events[since:])
    p99 = {"idle": idle.p99_ms(), "beside": beside.p99_ms()}
    p99 |= {name: beside.p99_ms([span]) for name, span in spans.items()}
    lasted_s = beside.sent[-1] - beside.sent[0]
    told = ", ".join(f"{name} {value:.3g} ms" for name, value in p99.items())
    tell(f"{rate}/s: {len(beside.sent)} requests over {lasted_s:.0f} s, p99 {told}")
    failures = idle.failures + beside.failures
    goals = [
        Goal(f"{what}: failed requests", len(failures), "requests", 0),
        Goal(f"{what}: p99 / idle", p99["beside"] / p99["idle"], "×", SLOWER),
    ]
    seconds_of = {name: end - begin for name, (begin, end) in spans.items()}
    told_more = {"seconds": lasted_s, "seconds_of": seconds_of, "failures": failures[:10]}
    return goals, {"rate": rate, "p99_ms": p99} | told_more


def _spans(events: Sequence[Event]) -> dict[str, tuple[float, float]]:
    """When the file was taken in and checked, each stage of the cycle went on, and the version was swapped."""
    at: dict[str, float] = {}
    for event in events:
        at.setdefault(f"{event['event']} {event.get('stage', '')}".strip(), _when(event))
    edges = {
        "intake and check": ("file_seen", "check_finished"),
        "before the cycle": ("check_finished", "cycle_opened"),
    }
    edges |= {stage: (f"stage_started {stage}", f"stage_finished {stage}") for stage in STAGES}
    edges["swap"] = ("version_promoted", "model_swapped")
    found = {name: (at[first], at[last]) for name, (first, last) in edges.items() if first in at and last in at}
    return found | ({"swap": (found["swap"][0], found["swap"][1] + AFTER_S)} if "swap" in found else {})


def _when(event: Event) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()
