"""What a runner prints: CPU time, wall time and extra peak memory of one drift check. Standalone, no dependency.

CPU time is user + system of the process and its finished children. The peak is reset before the check (Linux), so
that loading and fitting, which may peak higher, do not hide it; elsewhere only what exceeds an earlier peak shows."""

import contextlib
import ctypes
import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU and of wall time, and MB (10⁶ bytes) that the peak rose above what was held before."""

    cpu: float
    wall: float
    extra_mb: float


def measure(work: Callable[[], object]) -> Cost:
    """What one call costs; its result is dropped after the peak was read."""
    _give_back()
    _reset_peak()
    before, cpu, wall = _held(), _cpu(), time.perf_counter()
    result = work()
    cpu, wall = _cpu() - cpu, time.perf_counter() - wall
    extra = _peak() - before
    del result
    return Cost(cpu, wall, max(extra, 0) / 1e6)


def best(costs: Sequence[Cost]) -> Cost:
    """The least times of repetitions, and their largest extra memory."""
    return Cost(min(c.cpu for c in costs), min(c.wall for c in costs), max(c.extra_mb for c in costs))


def report(tool: str, fit: Cost, check: Cost, packages: tuple[str, ...], note: str, **more: float) -> None:
    """Print the one line of JSON that the benchmark reads."""
    line = {
        "tool": tool,
        "fit_cpu": fit.cpu,
        "check_cpu": check.cpu,
        "wall": check.wall,
        "extra_mb": check.extra_mb,
        "versions": {name: version(name) for name in packages},
        "note": note,
        **more,
    }
    print(json.dumps(line), flush=True)


def _give_back() -> None:
    """Memory that is free but still held would let a check grow into it unseen."""
    gc.collect()
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        CLEAR.write_text(RESET_PEAK, "ascii")


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _held() -> int:
    return _status("VmRSS") if STATUS.exists() else _peak()


def _peak() -> int:
    return _status("VmHWM") if STATUS.exists() else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def _status(key: str) -> int:
    for line in STATUS.read_text("ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"{STATUS} does not tell {key}")
