"""What a swap costs those who ask meanwhile: at full speed, and at a steady pace."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figures import Goal
from benchmarks.serving import paced
from benchmarks.serving.formats import DRIFTD
from benchmarks.serving.swapper import Swapper, one_row_bodies, two_versions
from benchmarks.serving.wrk import Wrk

CONNECTIONS, RATE, EVERY_S = 16, 60, 2.0
WARM_UP_S, SLOWER = 2.0, 1.5


def measure(
    files: tuple[Path, Path], wrk: Wrk, folder: Path, seconds: float, tell: Callable[[str], None]
) -> tuple[list[Goal], Any]:
    """Steady, then with swaps, each for `seconds`, with both loads."""
    bodies = one_row_bodies(folder)
    tell("training two versions …")
    with two_versions(files, folder) as (daemon, names):
        url = daemon.url + DRIFTD.path
        wrk.run(url, bodies, CONNECTIONS, WARM_UP_S)
        steady = wrk.run(url, bodies, CONNECTIONS, seconds)
        with Swapper(daemon, names, EVERY_S) as swapper:
            swapped = wrk.run(url, bodies, CONNECTIONS, seconds)
        full_spans = swapper.spans
        rates = f"{steady.per_s:,.0f} requests/s, {swapped.per_s:,.0f} with {len(full_spans)} swaps"
        tell(f"full speed: {rates}; p99 {steady.p99_ms:.3g} → {swapped.p99_ms:.3g} ms")
        time.sleep(WARM_UP_S)
        calm = paced.during(seconds, daemon.port, DRIFTD.path, bodies, RATE)
        load = paced.Paced(daemon.port, DRIFTD.path, bodies, RATE)
        time.sleep(WARM_UP_S)
        with Swapper(daemon, names, EVERY_S) as swapper:
            time.sleep(seconds)
        moved = load.end()
    p99 = {"steady": calm.p99_ms(), "all": moved.p99_ms(), "within": moved.p99_ms(swapper.spans)}
    inside = int(moved.within(swapper.spans).sum())
    told = ", ".join(f"{name} {value:.3g} ms" for name, value in p99.items())
    tell(f"{RATE}/s: {len(swapper.spans)} swaps, {inside} of {len(moved.sent)} requests within them; p99 {told}")
    failed = steady.failed + swapped.failed + len(calm.failures) + len(moved.failures)
    goals = [
        Goal("swap: failed requests", failed, "requests", 0),
        Goal(f"swap: p99 / steady, {CONNECTIONS} connections", swapped.p99_ms / steady.p99_ms, "×", SLOWER),
        Goal(f"swap: p99 within swaps / steady, {RATE}/s", p99["within"] / p99["steady"], "×", SLOWER),
    ]
    full = {"steady": asdict(steady), "swapped": asdict(swapped), "swaps": len(full_spans)}
    slow = {"p99_ms": p99, "within": inside, "requests": len(moved.sent), "swaps": len(swapper.spans)}
    failures = (calm.failures + moved.failures)[:10]
    return goals, {"every_s": EVERY_S, "full_speed": full, "paced": slow | {"failures": failures}}
