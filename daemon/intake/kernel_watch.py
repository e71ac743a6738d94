"""Hints from the kernel (inotify): one instance and one thread for all folders of the process, which calls each
folder's hint itself. An observer of watchdog's would take two threads a folder."""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from watchdog.observers.inotify import InotifyWatchGroup
from watchdog.observers.inotify_c import InotifyConstants, InotifyFD, Mask
from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper, PathedInotifyEvent

from retrain import durable

Hint = Callable[[str | None], None]
WANTED = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE_SELF
)
MOVES_KEPT = 256
"""Of folders that were moved away, until it is known whether they were moved elsewhere in the tree."""


class _Instance:
    """The process's one inotify instance: a system grants a user few. `begun_s` is when its thread began to give a hint
    that is not given yet: while it hangs there no watch hears anything, whichever it was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reader: Any = None
        self.begun_s: float | None = None

    def running(self) -> Any:
        """The instance with its thread, begun again if that ended; OSError."""
        with self._lock:
            if self.reader is None or not self.reader.is_alive():
                self.reader, self.begun_s = InotifyFD(), None
                self.reader.start()
            return self.reader


INSTANCE = _Instance()


class _Straight(InotifyMoveEventGrouper):
    """In place of a queue of events: the hint is given by the thread that reads them."""

    def __init__(self, hint: Hint) -> None:
        self._hint = hint
        self._away: OrderedDict[int, PathedInotifyEvent] = OrderedDict()

    def put_event(self, event: PathedInotifyEvent) -> None:
        """What may be new: a file by its path, for a folder all."""
        if event.ev.is_moved_from:
            self._away[event.ev.cookie] = event
            if len(self._away) > MOVES_KEPT:
                self._away.popitem(last=False)
        elif event.ev.is_create or event.ev.is_moved_to or event.ev.is_close_write:
            self._give(None if event.ev.is_directory else os.fsdecode(event.path))

    def get_queued_moved_from_event(self, cookie: int) -> PathedInotifyEvent | None:
        """Where what is moved here came from."""
        return self._away.get(cookie)

    def discard_pending_events(self) -> None:
        """The kernel dropped events: anything may be new."""
        self._away.clear()
        self._give(None)

    def close(self) -> None:
        """Nothing waits."""

    def _give(self, path: str | None) -> None:
        INSTANCE.begun_s = time.monotonic()
        durable.crash_point("watch.event")
        self._hint(path)
        INSTANCE.begun_s = None


class KernelWatch(InotifyWatchGroup):
    """A folder's watch, alive from its making; OSError where the kernel does not grant it."""

    def __init__(self, folder: str, recursive: bool, hint: Hint) -> None:
        self._straight = _Straight(hint)
        super().__init__(INSTANCE.running(), os.fsencode(folder), WANTED, recursive)

    def __post_init__(self) -> None:
        """Hints go straight, from the first event on."""
        self._move_event_grouper = self._straight
        super().__post_init__()

    def is_alive(self) -> bool:
        """Whether events still come."""
        return bool(self._inotify_fd.is_alive() and self.is_active and self._active_callbacks_by_watch)

    def silent_s(self, now_s: float) -> float:
        """For how long the thread of all watches has been giving a hint that nobody took, and be it another's."""
        begun_s = INSTANCE.begun_s
        return 0.0 if begun_s is None else max(0.0, now_s - begun_s)

    def stop(self) -> None:
        """No more hints."""
        self.deactivate()
