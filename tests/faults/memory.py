"""A process without memory for a while: in a control group of its own, or where none can be made by its limits."""

import contextlib
import os
import resource
from collections.abc import Callable
from pathlib import Path

import psutil

SPARE_BYTES = 8 * 2**20
"""What it may still get."""
BASES = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"))


def starve(process: psutil.Process) -> Callable[[], None]:
    """Let a process have hardly more memory; what gives it back. The kernel ends one that wants more of its group;
    its own limit of addresses gives it a MemoryError instead."""
    for base, key in BASES:
        with contextlib.suppress(OSError):
            return _in_group(process.pid, Path(base), key)
    return limit_addresses(process)


def limit_addresses(process: psutil.Process) -> Callable[[], None]:
    """Let each larger allocation of a process fail; what lets them succeed again."""
    before = process.rlimit(resource.RLIMIT_AS)
    process.rlimit(resource.RLIMIT_AS, (process.memory_info().vms + SPARE_BYTES, before[1]))

    def restore() -> None:
        with contextlib.suppress(psutil.Error):
            process.rlimit(resource.RLIMIT_AS, before)

    return restore


def _in_group(pid: int, base: Path, key: str) -> Callable[[], None]:
    """What it has stays charged where it was; the group counts what comes."""
    home = base / _group_of(pid, base).lstrip("/")
    group = base / f"driftd-crash-{os.getpid()}-{pid}"
    group.mkdir(exist_ok=True)
    try:
        (group / key).write_text(str(SPARE_BYTES))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError:
        group.rmdir()
        raise

    def restore() -> None:
        for one in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (home / "cgroup.procs").write_text(one)
        with contextlib.suppress(OSError):
            group.rmdir()

    return restore


def _group_of(pid: int, base: Path) -> str:
    """The process's group before."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == ("memory" if base.name == "memory" else ""):
            return path
    raise OSError(f"{pid} is in no group below {base}")
