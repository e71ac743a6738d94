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
from benchmarks.serving.swapper import one_row_bodies

RATES = (60, 500)
SLOWER = 3.0
WARM_UP_S = 2.0


def measure(
    first: Path, many: Sequence[Path], folder: Path, seconds: float, tell: Callable[[str], None]
) -> tuple[list[Goal], Any]:
    """At each pace: alone for `seconds`, then with a file of many rows, until its cycle has ended."""
    bodies = one_row_bodies(folder)
    rows = _rows_of(many[0])
    tell("training the first version …")
    daemon = Own(folder / "driftd", triggers=f"growth = false\nnew_rows = {rows * 4 // 5}", max_rows=rows)
    goals, results = [], []
    try:
        daemon.start()
        daemon.learn(first, "first.csv")
        for rate, file in zip(RATES, many, strict=True):
            time.sleep(WARM_UP_S)
            idle = paced.during(seconds, daemon.port, DRIFTD.path, bodies, rate)
            since, load = len(daemon.events), paced.Paced(daemon.port, DRIFTD.path, bodies, rate)
            daemon.learn(file, file.name)
            beside = load.end()
            spans = _spans(daemon.events[since:])
            p99 = {"idle": idle.p99_ms(), "beside": beside.p99_ms()}
            p99 |= {f"stage {stage}": beside.p99_ms([span]) for stage, span in spans.items()}
            told = ", ".join(f"{name} {value:.3g} ms" for name, value in p99.items())
            lasted_s = beside.sent[-1] - beside.sent[0]
            tell(f"{rate}/s: {len(beside.sent)} requests over {lasted_s:.0f} s, p99 {told}")
            failures = idle.failures + beside.failures
            what = f"training of {rows:,} rows beside {rate}/s"
            goals.append(Goal(f"{what}: failed requests", len(failures), "requests", 0))
            goals.append(Goal(f"{what}: p99 / idle", p99["beside"] / p99["idle"], "×", SLOWER))
            results.append({"rate": rate, "p99_ms": p99, "seconds": lasted_s, "failures": failures[:10]})
    finally:
        daemon.close()
    return goals, {"rows": rows, "paces": results}


def _rows_of(path: Path) -> int:
    rows: int = pq.read_metadata(path).num_rows
    return rows


def _spans(events: Sequence[Event]) -> dict[str, tuple[float, float]]:
    """When each stage of the cycle began and ended."""
    begun = {event["stage"]: _when(event) for event in events if event.get("event") == "stage_started"}
    ended = {event["stage"]: _when(event) for event in events if event.get("event") == "stage_finished"}
    return {stage: (at, ended[stage]) for stage, at in begun.items() if stage in ended}


def _when(event: Event) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()
