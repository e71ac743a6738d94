"""What the service costs while nothing happens: CPU time of all its processes."""

import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from daemon_harness import Daemon, drop, rows

from benchmarks.figures import Figure

SETTLING_S = 150.0
"""Until the analyst, which has nothing to do for two minutes, has ended."""
WATCHED_S = 30.0


@dataclass(frozen=True)
class AtRest:
    """CPU of all processes in per cent of a core, and their memory in MB: the sum of what is resident, which counts
    what they share once each, and the sum of their proportional parts."""

    share: float
    resident_mb: float
    proportional_mb: float
    processes: int


def measure(folder: Path) -> list[Figure]:
    """Share of one core that all processes use together, with a champion and no traffic."""
    found = at_rest(folder)
    note = f"{found.processes} processes over {WATCHED_S:g} s, together {found.resident_mb:.0f} MB resident"
    return [Figure("idle CPU of all processes", found.share, "% of a core", 1.0, note)]


def at_rest(folder: Path) -> AtRest:
    """A service with the status page and one small model."""
    daemon = Daemon(folder, service="")
    try:
        daemon.start()
        drop(rows(0, 2000), daemon.data / "first.parquet")
        daemon.wait("model_swapped", timeout_s=120)
        assert daemon.process is not None
        return watched(daemon.process.pid, SETTLING_S, WATCHED_S)
    finally:
        daemon.close()


def watched(pid: int, settling_s: float, watched_s: float) -> AtRest:
    """A process and its children, after a while."""
    time.sleep(settling_s)
    before, began_s = cpu_s(pid), time.monotonic()
    time.sleep(watched_s)
    after = cpu_s(pid)
    used_s = sum(spent - before.get(each, 0.0) for each, spent in after.items())
    share = 100 * used_s / (time.monotonic() - began_s)
    held = [process.memory_full_info() for process in processes(pid)]
    return AtRest(share, sum(one.rss for one in held) / 1e6, sum(one.pss for one in held) / 1e6, len(held))


def processes(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def cpu_s(pid: int) -> dict[int, float]:
    times = {process.pid: process.cpu_times() for process in processes(pid)}
    return {pid: spent.user + spent.system for pid, spent in times.items()}
