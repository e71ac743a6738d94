"""Events as lines of JSON in a file that whoever rotates logs may rename, remove or cut at any moment.

A thread of its own writes: a disk that is full or hangs costs lines, which are counted, and never the service."""

import atexit
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MOST_WAITING = 2_000
"""Events that wait to be written; more are dropped and counted."""
AGAIN_S, END_S = 1.0, 2.0
"""How long after a failure the file is tried again, and how long the end of the process waits for the last lines."""
LOOKS, LOOK_S = 3, 0.002
"""How often, and how long apart, it is looked whether the last line has an end."""
MODE = 0o640
Line = Callable[[dict[str, Any]], str]


class LogFile:
    """Appends events at `path`, each by one write, so that processes may share it. `told` is called with the reason
    when the file cannot be written, once until it can be again."""

    def __init__(self, path: Path, line: Line, told: Callable[[str], None] = lambda _: None) -> None:
        self._path, self._line, self._told = path, line, told
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(MOST_WAITING)
        self._file: int | None = None
        self._dropped, self._again_s = 0, 0.0
        self._turn = threading.Lock()
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="log file", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def add(self, entry: Mapping[str, Any]) -> None:
        """An event, from any thread; never waits."""
        try:
            self._waiting.put_nowait(dict(entry))
        except queue.Full:
            self._drop()

    def _drop(self, number: int = 1) -> None:
        with self._turn:
            self._dropped += number

    def close(self) -> None:
        """Write what waits, for two seconds at most."""
        atexit.unregister(self.close)
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=END_S)
            self._thread.join(END_S)

    def _run(self) -> None:
        while (entry := self._waiting.get()) is not None:
            if time.monotonic() < self._again_s:
                self._drop()
                continue
            self._write(entry)
        self._leave()

    def _write(self, entry: dict[str, Any]) -> None:
        dropped = self._dropped
        line = self._line(entry | {"dropped_before": dropped} if dropped else entry) + "\n"
        try:
            self._append(line.encode("utf-8", "backslashreplace"))
        except OSError as error:
            self._drop()
            self._again_s = time.monotonic() + AGAIN_S
            self._leave()
            if not self._failed:
                self._failed = True
                self._told(error.strerror or str(error))
            return
        self._drop(-dropped)
        self._failed = False

    def _append(self, data: bytes) -> None:
        """One line, on a line of its own also after one of which only a part was written."""
        file = self._opened()
        if _is_torn(file):  # by another process, perhaps
            data = b"\n" + data
        if os.write(file, data) < len(data):
            raise OSError(0, "only a part of a line was written")

    def _opened(self) -> int:
        """The file that is now at the path."""
        if self._file is not None:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._file), self._path.stat()):
                    return self._file
            self._leave()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        return self._file

    def _leave(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _is_torn(file: int) -> bool:
    """Whether the last line has no end; looked at again, for another process may be in the middle of its write."""
    for _ in range(LOOKS):
        size = os.fstat(file).st_size
        if not size or os.pread(file, 1, size - 1) == b"\n":
            return False
        time.sleep(LOOK_S)
    return True
