"""What a small file costs control, by where the ledger is: from the end of its writing to that of its check, each after
the one before, with labels that are assessed and an answer of the planner."""

import statistics
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import psutil
from daemon_harness import Daemon, drop, rows
from ledgers import DATABASES
from postgresql import PROGRAMS, running_server

from benchmarks.figures import Figure

FILES, SETTLE_S = 40, 0.05
RATIO = 1.3
"""How much longer a file may take with a ledger in PostgreSQL."""
CONFIG = f"""\
[models.m.intake]
settle = "{SETTLE_S * 1000:g}ms"
[models.m.triggers]
on_drift = false
on_performance = false
growth = 1e9
"""


def measure(folder: Path) -> list[Figure]:
    """Median time of a file, and control's CPU for it; over PostgreSQL where its package is installed."""
    time_s, cpu_s = _of_engine(folder / "sqlite")
    note = f"{FILES} files of 200 rows, settle {SETTLE_S:g} s"
    figures = [
        Figure("close → check_finished, SQLite", time_s * 1000, "ms", 300, note),
        Figure("control's CPU a file, SQLite", cpu_s * 1000, "ms", 150, note),
    ]
    if PROGRAMS is not None:
        with ExitStack() as stack:
            stack.enter_context(DATABASES.on(stack.enter_context(running_server())))
            there_s, there_cpu_s = _of_engine(folder / "postgresql")
        more = f"{there_s * 1000:.0f} ms, control's CPU {there_cpu_s * 1000:.0f} ms; {note}"
        figures.append(Figure("a file, PostgreSQL beside SQLite", there_s / time_s, "times", RATIO, more))
    return figures


def _of_engine(folder: Path) -> tuple[float, float]:
    """Seconds a file from its closing on, without the time that it rests, and seconds of control's CPU."""
    folder.mkdir()
    daemon = Daemon(folder, CONFIG)
    try:
        daemon.start()
        drop(rows(0, 2000), daemon.data / "first.parquet")
        daemon.wait("model_swapped", timeout_s=120)
        for number in range(5):
            _one(daemon, number)
        assert daemon.process is not None
        control = psutil.Process(daemon.process.pid)
        before = control.cpu_times()
        took_s = [_one(daemon, number) for number in range(5, FILES + 5)]
        after = control.cpu_times()
    finally:
        daemon.close()
    spent_s = after.user + after.system - before.user - before.system
    return statistics.median(took_s), spent_s / FILES


def _one(daemon: Daemon, number: int) -> float:
    name = f"small-{number:02d}.csv"
    drop(rows(100 + number, 200), daemon.data / name)
    closed, since = time.time(), len(daemon.events)
    event = daemon.wait("check_finished", file=name)
    daemon.wait("labels_assessed", since=since)
    return datetime.fromisoformat(event["timestamp"]).timestamp() - closed - SETTLE_S
