"""How long one look at a folder of 5,000 files takes."""

import statistics
import time
from pathlib import Path

from benchmarks.figures import Figure
from daemon.reading.look import scan
from retrain.records.settings import IntakeSettings

FILES = 5_000
RUNS = 5


def measure(folder: Path) -> list[Figure]:
    """Median of several full rescans, files in ten sub-folders."""
    for number in range(FILES):
        path = folder / f"day-{number % 10}" / f"{number:05d}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("x,y\n1,2\n", "utf-8")
    seconds = [_one(folder) for _ in range(RUNS)]
    note = f"median of {RUNS}, slowest {max(seconds):.3f} s"
    return [Figure(f"rescan of {FILES:,} files", statistics.median(seconds), "s", 1.0, note)]


def _one(folder: Path) -> float:
    started = time.perf_counter()
    found = list(scan(folder, IntakeSettings().patterns, True))
    took_s = time.perf_counter() - started
    assert len(found) == FILES
    return took_s
