"""How soon servers answer with what was promoted, how long a start takes, and what a server holds then."""

import statistics
import time
from pathlib import Path

import psutil
from daemon_harness import FAST, Daemon, drop, rows

from benchmarks.figures import Figure
from daemon.ledger import commands, open_ledger

SWAPS, STARTS = 20, 5
PATIENCE_S = 120.0
ARCHIVE = "[models.m.adaptation]\narchive = 1\nrecalibration = false\n"


def measure(folder: Path) -> list[Figure]:
    """Two versions that take turns, each loaded already: what is left is how a server learns of a promotion."""
    daemon = Daemon(folder, FAST + ARCHIVE)
    try:
        names = _two_versions(daemon)
        for swap in range(SWAPS):
            _promote(daemon, names[swap % 2])
        spans = daemon.query("SELECT swapped_at - at FROM promotions ORDER BY id DESC LIMIT ?", SWAPS)
        lasted_ms = sorted(1e3 * span for (span,) in spans)
        daemon.stop()
        starts_s, cpus_s, held = zip(*(_start(daemon) for _ in range(STARTS)), strict=True)
    finally:
        daemon.close()
    note = f"{SWAPS} swaps, from the promotion's transaction to the server's word; slowest {lasted_ms[-1]:.0f} ms"
    return [
        Figure("promotion to swap", statistics.median(lasted_ms), "ms", 50.0, note),
        Figure("start to ready", statistics.median(starts_s), "s", 1.2, f"one small model, median of {STARTS}"),
        Figure("CPU of a server that started", statistics.median(cpus_s), "s", 2.0, "the processor's seconds by then"),
        Figure("memory of a server", statistics.median(held), "MB", 150.0, "proportional, one small model"),
    ]


def _two_versions(daemon: Daemon) -> list[str]:
    daemon.start()
    for number in range(2):
        since = len(daemon.events)
        drop(rows(number, 800, flip=bool(number)), daemon.data / f"{number}.parquet")
        if number:
            daemon.wait("file_accepted", since=since, timeout_s=PATIENCE_S)
        daemon.wait("cycle_finished", since=since, timeout_s=PATIENCE_S)
        time.sleep(2)
    return [name for (name,) in daemon.query("SELECT name FROM versions ORDER BY name LIMIT 2")]


def _promote(daemon: Daemon, version: str) -> None:
    since = len(daemon.events)
    ledger = open_ledger(daemon.folder / "state")
    with ledger.begin() as conn:
        commands.enqueue(conn, "promote", {"model": "m", "version": version}, "benchmark", time.time())
    ledger.close()
    daemon.wait("model_swapped", since=since, timeout_s=PATIENCE_S, version=version)
    time.sleep(1.3)  # until control has written down when that was


def _start(daemon: Daemon) -> tuple[float, float, float]:
    """Seconds until it was ready, those of the processor that its server took, and megabytes of that."""
    began_s = time.monotonic()
    daemon.start()
    took_s = time.monotonic() - began_s
    time.sleep(3)
    assert daemon.process is not None
    children = psutil.Process(daemon.process.pid).children(recursive=True)
    server = next(child for child in children if "daemon.server" in child.cmdline())
    spent, held = server.cpu_times(), server.memory_full_info().pss / 1e6
    daemon.stop()
    return took_s, spent.user + spent.system, held
