"""Looks at folders for somebody who waits for the answer: one of them may lie on a mount that hangs."""

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S, SHORT_S = 2.0, 0.1
"""For a folder, and after the first one that hung: others may lie on the same mount."""


class Patience:
    """Looks in threads, of which one may hang."""

    def __init__(self, patience_s: float | None = None) -> None:
        self._patience_s = PATIENCE_S if patience_s is None else patience_s

    def look(self, work: Callable[[], T], otherwise: T) -> T:
        """What the work finds or raises; something else where that takes too long."""
        found: Future[T] = Future()
        threading.Thread(target=_answer, args=(found, work), daemon=True).start()
        try:
            return found.result(self._patience_s)
        except TimeoutError:
            self._patience_s = min(self._patience_s, SHORT_S)
            return otherwise

    def answers(self, folder: Path) -> bool:
        """Whether the file system of a folder answers, and be it with an error. Its free space is kept by no cache."""
        return self.look(lambda: _ask(folder), False)


def _answer(found: "Future[T]", work: Callable[[], T]) -> None:
    try:
        found.set_result(work())
    except BaseException as error:
        found.set_exception(error)


def _ask(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        os.statvfs(folder)
    return True
