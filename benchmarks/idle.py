"""What the service costs while nothing happens: CPU time of all its processes."""

import time
from pathlib import Path

import psutil
from daemon_harness import Daemon, drop, rows

from benchmarks.figures import Figure

SETTLING_S = 10.0
WATCHED_S = 30.0


def measure(folder: Path) -> list[Figure]:
    """Share of one core that all processes use together, with a champion and no traffic."""
    daemon = Daemon(folder, service="")
    try:
        daemon.start()
        drop(rows(0, 2000), daemon.data / "first.parquet")
        daemon.wait("model_swapped", timeout_s=120)
        time.sleep(SETTLING_S)
        assert daemon.process is not None
        before = cpu_s(daemon.process.pid)
        time.sleep(WATCHED_S)
        after = cpu_s(daemon.process.pid)
        memory = sum(p.memory_info().rss for p in processes(daemon.process.pid))
    finally:
        daemon.close()
    used_s = sum(after[pid] - before.get(pid, 0.0) for pid in after)
    note = f"{len(after)} processes over {WATCHED_S:g} s, together {memory / 1e6:.0f} MB resident"
    return [Figure("idle CPU of all processes", 100 * used_s / WATCHED_S, "% of a core", 1.0, note)]


def processes(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def cpu_s(pid: int) -> dict[int, float]:
    times = {process.pid: process.cpu_times() for process in processes(pid)}
    return {pid: spent.user + spent.system for pid, spent in times.items()}
