"""How long after a small file is closed its check is finished, beyond the settle time."""

import statistics
import time
from datetime import datetime
from pathlib import Path

from daemon_harness import Daemon, drop, rows

from benchmarks.figures import Figure

DROPS = 20
SETTLE_S = 1.0
QUIET = """\
[models.m.triggers]
on_drift = false
on_performance = false
growth = 1e9
"""


def measure(folder: Path) -> list[Figure]:
    """Drop small files one by one into a running daemon that serves a champion."""
    spans_s = beyond_s(folder, DROPS)
    note = f"{DROPS} drops of 200 rows, settle {SETTLE_S:g} s; slowest {spans_s[-1] * 1000:.0f} ms"
    name, median_s = "close → check_finished, beyond settle (median)", statistics.median(spans_s)
    return [Figure(name, median_s * 1000, "ms", 300, note)]


def beyond_s(folder: Path, drops: int) -> list[float]:
    """Seconds beyond the settle time of so many files, the quickest first."""
    daemon = Daemon(folder, QUIET, service="")
    try:
        daemon.start()
        drop(rows(0, 2000), daemon.data / "first.parquet")
        daemon.wait("model_swapped", timeout_s=120)
        return sorted(_one(daemon, number) for number in range(drops))
    finally:
        daemon.close()


def _one(daemon: Daemon, number: int) -> float:
    name = f"small-{number:02d}.csv"
    drop(rows(100 + number, 200), daemon.data / name)
    closed = time.time()
    event = daemon.wait("check_finished", file=name)
    return datetime.fromisoformat(event["timestamp"]).timestamp() - closed - SETTLE_S
