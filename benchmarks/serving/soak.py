"""Minutes of full load with a swap every ten seconds: the server's memory and open descriptors stay what they are."""

import contextlib
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.figures import Goal
from benchmarks.serving import wrk as load
from benchmarks.serving.formats import DRIFTD
from benchmarks.serving.swapper import Swapper, one_row_bodies, two_versions
from benchmarks.serving.wrk import Wrk

CONNECTIONS, EVERY_S, LOOK_S = 16, 10.0, 10.0
SETTLED_S = 60.0  # what a server takes up in its first minute is no leak
GROWTH_PERCENT, MORE_DESCRIPTORS = 3.0, 2


@dataclass(frozen=True)
class Look:
    """What the server process held, so many seconds after the load began."""

    at_s: float
    rss_mb: float
    pss_mb: float
    descriptors: int


def measure(
    files: tuple[Path, Path], wrk: Wrk, folder: Path, minutes: float, tell: Callable[[str], None]
) -> tuple[list[Goal], Any]:
    """Load it, swap, and look."""
    bodies = one_row_bodies(folder)
    tell("training two versions …")
    with two_versions(files, folder) as (daemon, names):
        url = daemon.url + DRIFTD.path
        server = psutil.Process(daemon.server_pid)
        loading = subprocess.Popen(
            wrk.command(url, bodies, CONNECTIONS, 60 * minutes), stdout=subprocess.PIPE, text=True
        )
        try:
            with Swapper(daemon, names, EVERY_S) as swapper:
                looks = _watch(server, loading, tell)
        finally:
            with contextlib.suppress(OSError):
                loading.terminate()
        printed = loading.communicate()[0]
        same = daemon.server_pid == server.pid
    answered = load.read(printed)
    settled = [look for look in looks if look.at_s >= min(SETTLED_S, looks[-1].at_s / 2)]
    slope = float(np.polyfit([s.at_s / 60 for s in settled], [s.pss_mb for s in settled], 1)[0])
    growth = 100 * (settled[-1].pss_mb / settled[0].pss_mb - 1)
    more = settled[-1].descriptors - settled[0].descriptors
    tell(f"{answered.requests:,} requests, {len(swapper.spans)} swaps, PSS {slope:+.2f} MB a minute once settled")
    what = f"soak of {minutes:g} minutes"
    goals = [
        Goal(f"{what}: failed requests", answered.failed, "requests", 0),
        Goal(f"{what}: growth of the server's memory once settled", growth, "%", GROWTH_PERCENT),
        Goal(f"{what}: more descriptors than once settled", more, "descriptors", MORE_DESCRIPTORS),
        Goal(f"{what}: servers that ended", float(not same), "servers", 0),
    ]
    ends = {"first": asdict(looks[0]), "settled": asdict(settled[0]), "last": asdict(looks[-1])}
    told = {"slope_mb_per_minute": slope, "swaps": len(swapper.spans), "load": asdict(answered)}
    return goals, ends | told | {"looks": [asdict(look) for look in looks]}


def _watch(server: psutil.Process, loading: "subprocess.Popen[str]", tell: Callable[[str], None]) -> list[Look]:
    """Look every ten seconds as long as the load lasts; while it lasts, its connections are open."""
    begun, looks = time.monotonic(), []
    while loading.poll() is None:
        memory = server.memory_full_info()
        look = Look(time.monotonic() - begun, memory.rss / 1e6, memory.pss / 1e6, server.num_fds())
        looks.append(look)
        tell(f"{look.at_s:4.0f} s: RSS {look.rss_mb:.1f} MB, PSS {look.pss_mb:.1f} MB, {look.descriptors} descriptors")
        with contextlib.suppress(subprocess.TimeoutExpired):
            loading.wait(LOOK_S)
    return looks
