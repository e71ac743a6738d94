"""What servers hand to the ledger's process, labels and answered rows: fsynced lines in segments that control takes in.

A server appends to its own open segment and closes it after a moment by renaming it. It holds a lock on the open one,
which the system lets go of when it is killed: what it left open is then closed for it."""

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from io import BufferedWriter
from pathlib import Path
from typing import Any

from retrain import durable

OPEN, CLOSED = ".open", ".jsonl"
TAKING = "taking-"
CLOSE_AFTER_S = 1.0
LONGEST_S = 60.0
FORGOTTEN_S = 10.0


class Spool:
    """A server's end: one open segment at a time, safe to use from several threads.

    A segment is closed `close_after_s` after its beginning. One that follows another stays open twice as long as that
    one, up to `longest_s`: a lasting stream of lines becomes few segments, a single one is handed over at once.
    """

    def __init__(
        self, folder: Path, close_after_s: float = CLOSE_AFTER_S, longest_s: float = LONGEST_S, max_bytes: int = 2**62
    ) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._close_after_s, self._longest_s = close_after_s, longest_s
        self._open_s = close_after_s
        self._lock = threading.Lock()
        self._file: BufferedWriter | None = None
        self._path = folder
        self._close_s = self._closed_s = float("-inf")
        self._count = 0

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows as JSON lines, durable on return."""
        self.append_lines([json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") for row in rows])

    def append_lines(self, lines: Iterable[bytes]) -> None:
        """Write lines, durable on return; OSError where that fails. Then the segment is cut back to what was durable
        and handed over, or removed where that is nothing: who tries again makes no pile of files."""
        with self._lock:
            if self._file is None:
                self._file = self._open()
            kept = self._file.tell()
            try:
                durable.write_durably(self._file, b"".join(line + b"\n" for line in lines), "spool.append")
            except OSError:
                with contextlib.suppress(OSError):
                    durable.cut_back(self._file, kept, "spool.cut_back")
                self._hand_over(kept)
                raise

    def close_old(self, at_once: bool = False) -> None:
        """Hand the open segment over if it is old or long enough."""
        with self._lock:
            if self._file is None:
                return
            size = self._file.tell()
            if at_once or time.monotonic() >= self._close_s or size >= self._max_bytes:
                self._hand_over(size)

    def move_to(self, folder: Path) -> None:
        """Begin the next segment in another folder, and hand over the open one; OSError where that fails."""
        with self._lock:
            self._folder = folder
            if self._file is not None:
                self._hand_over(self._file.tell())

    def _open(self) -> BufferedWriter:
        """A segment that is locked before it has a name that control looks at."""
        # not its parents: these are missing where the state folder went away
        durable.make_folder(self._folder, "spool.folder", parents=False)
        self._count += 1
        self._path = self._folder / f"{time.time_ns()}-{os.getpid()}-{self._count}{OPEN}"
        hidden = self._path.with_name(f".{self._path.name}.tmp")
        durable.crash_point("spool.open.before_write")
        file = hidden.open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            durable.rename(hidden, self._path, "spool.open")
        except OSError:
            file.close()
            hidden.unlink(missing_ok=True)
            raise
        now_s = time.monotonic()
        busy = now_s - self._closed_s < self._longest_s
        self._open_s = min(2 * self._open_s, self._longest_s) if busy else self._close_after_s
        self._close_s = now_s + self._open_s
        return file

    def _hand_over(self, size: int) -> None:
        file, self._file = self._file, None
        assert file is not None
        try:
            if size:
                self._closed_s = time.monotonic()
                with contextlib.suppress(FileNotFoundError):
                    durable.rename(self._path, self._path.with_suffix(CLOSED), "spool.close")
            else:
                self._closed_s = float("-inf")  # nothing came before the next one
                durable.remove(self._path, "spool.remove_empty")
        finally:  # one that keeps its name is unlocked by this, and closed for it
            with contextlib.suppress(OSError):
                file.raw.close()  # what a failed write left in the buffer is not for the segment


def finished_segments(folder: Path) -> list[Path]:
    """Segments ready to be taken in, oldest first; those of servers that are gone are closed first, and empty ones, of
    which nothing was acknowledged, are removed."""
    try:
        if next(folder.iterdir(), None) is None:  # asked every other second for each model
            return []
    except (FileNotFoundError, NotADirectoryError):
        return []
    for path in folder.glob(f"*{OPEN}"):
        if _is_left(path):
            durable.rename(path, path.with_suffix(CLOSED), "spool.take_over")
    for hidden in folder.glob(f".*{OPEN}.tmp"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - hidden.stat().st_mtime > FORGOTTEN_S and _is_left(hidden):
                durable.remove(hidden, "spool.remove_unnamed")
    finished = sorted(folder.glob(f"*{CLOSED}"))
    empty = {path for path in finished if not path.stat().st_size}
    for path in empty:
        durable.remove(path, "spool.remove_empty")
    return [path for path in finished if path not in empty]


def taking_folders(folder: Path) -> list[Path]:
    """Folders of segments that are being taken in together, the oldest first."""
    return sorted(folder.glob(f"{TAKING}*"))


def spooled_bytes(folder: Path) -> int:
    """What lies in a spool."""
    total = 0
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat().st_size
    return total


def begun_at(segment: Path) -> float:
    """When a segment was begun, Unix seconds."""
    return int(segment.name.split("-")[0]) / 1e9


def _is_left(path: Path) -> bool:
    """Whether nobody holds the segment's lock any more."""
    try:
        with path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True
