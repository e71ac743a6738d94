"""A data folder that does not answer, as one on a dead mount, without a mount."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOUCHING = ("stat", "lstat", "access", "scandir", "listdir", "mkdir", "readlink", "statvfs", "open")


class HangingFolder:
    """Sees who touches a folder, by the names of threads; between `hang` and `answer` all of them wait. The event
    loop's thread, which makes it, gets an OSError in place of the wait."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._loop = str(folder), threading.get_ident()
        self._answers = threading.Event()
        self._answers.set()
        self.threads: list[str] = []
        self.waiting = 0
        for name in TOUCHING:
            monkeypatch.setattr(os, name, self._gated(getattr(os, name)))

    def hang(self) -> None:
        """From now on."""
        self._answers.clear()

    def answer(self) -> None:
        """Again."""
        self._answers.set()

    def _gated(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def gated(path: Any = ".", *arguments: Any, **named: Any) -> Any:
            if not isinstance(path, int) and os.fsdecode(path).startswith(self._folder):
                self._touched()
            return call(path, *arguments, **named)

        return gated

    def _touched(self) -> None:
        self.threads.append(threading.current_thread().name)
        if not self._answers.is_set():
            self.waiting += 1
            if threading.get_ident() == self._loop:
                raise OSError(f"{self._folder} is touched by the event loop")
            self._answers.wait()
