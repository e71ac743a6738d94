"""What a service holds at a moment: memory, threads and descriptors of each kind of process, and bytes on the disk."""

import contextlib
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LASTING = "control", "fork server", "analyst", "server", "page"
"""Kinds of processes that live as long as the service; a trainer lives as long as a cycle."""


@dataclass(frozen=True)
class Look:
    """So many seconds after the beginning: resident MB (10⁶ bytes), threads, open descriptors and ids of each kind of
    process, and MB of each part of the state folder, in allocated blocks."""

    at_s: float
    resident_mb: dict[str, float] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    descriptors: dict[str, int] = field(default_factory=dict)
    disk_mb: dict[str, float] = field(default_factory=dict)
    pids: dict[str, list[int]] = field(default_factory=dict)

    @property
    def memory_mb(self) -> float:
        """Of all lasting processes."""
        return sum(self.resident_mb.get(kind, 0.0) for kind in LASTING)


def look(pid: int, state: Path, at_s: float) -> Look:
    """At the service whose control process is `pid`, and at its state folder."""
    memory: Counter[str] = Counter()
    threads: Counter[str] = Counter()
    descriptors: Counter[str] = Counter()
    pids: dict[str, list[int]] = {}
    control = psutil.Process(pid)
    for process in (control, *control.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            kind = "control" if process == control else _kind(process.cmdline())
            memory[kind] += process.memory_info().rss
            threads[kind] += process.num_threads()
            descriptors[kind] += process.num_fds()
            pids.setdefault(kind, []).append(process.pid)
    resident = {kind: size / 1e6 for kind, size in memory.items()}
    return Look(at_s, resident, dict(threads), dict(descriptors), disk(state), pids)


def disk(state: Path) -> dict[str, float]:
    """MB that each entry of the state folder occupies; files of one stem (a database and its log) count together."""
    sizes: Counter[str] = Counter()
    for folder, _, names in os.walk(state):
        place = Path(folder).relative_to(state)
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                part = place.parts[0] if place.parts else name.partition(".")[0]
                sizes[part] += os.lstat(Path(folder, name)).st_blocks * 512
    return {part: size / 1e6 for part, size in sizes.items()}


def _kind(command: list[str]) -> str:
    for kind in ("server", "page"):
        if f"daemon.{kind}" in command:
            return kind
    if "daemon.runtime.worker.fork_server" in command:
        return "fork server"
    return command[command.index("--role") + 1] if "--role" in command else "other"
