"""Labels on their way from the server to the ledger: fsynced lines in segments that control takes in.

A server appends to its own open segment and closes it after a moment by renaming it. What a killed server left
open is closed for it."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

OPEN = ".open"
CLOSE_AFTER_S = 1.0


class Spool:
    """A server's end: one open segment a model."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path: Path | None = None
        self._opened_s = 0.0
        self._count = 0

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows as JSON lines, durable on return."""
        if self._path is None:
            self._open()
        assert self._path is not None
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    def close_old(self, at_once: bool = False) -> None:
        """Hand the open segment over if it is old enough."""
        if self._path is None or not (at_once or time.monotonic() - self._opened_s >= CLOSE_AFTER_S):
            return
        path, self._path = self._path, None
        path.replace(path.with_suffix(".jsonl"))

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._count += 1
        self._path = self._folder / f"{time.time_ns()}-{os.getpid()}-{self._count}{OPEN}"
        self._opened_s = time.monotonic()


def finished_segments(folder: Path) -> list[Path]:
    """Segments ready to be taken in, oldest first; those of servers that are gone are closed first."""
    if not folder.is_dir():
        return []
    for path in folder.glob(f"*{OPEN}"):
        if not _alive(int(path.name.split("-")[1])):
            path.replace(path.with_suffix(".jsonl"))
    return sorted(folder.glob("*.jsonl"))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
