"""Watches a data folder and hints at paths that may have changed. Hints may be lost or repeated.

The real path is watched, because a watch on a symbolic link reports nothing; `check` finds a watch that died
(its folder was deleted, renamed or replaced) and starts a new one, since a watch itself does not notice. Nobody waits
for the end of a watch, whose threads may hang in a folder that does not answer.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.polling import PollingObserver

from daemon.runtime.log import get_logger
from retrain import durable

log = get_logger()
Hint = Callable[[str | None], None]
SEEN = (FileCreatedEvent, FileModifiedEvent, FileMovedEvent, DirCreatedEvent, DirMovedEvent)
POLLING_INTERVAL_S = 2.0


class Source(Protocol):
    """What hints at the changes of a folder."""

    def is_alive(self) -> bool:
        """Whether changes are still noticed."""

    def silent_s(self, now_s: float) -> float:
        """How long the thread that hints has been silent."""

    def stop(self) -> None:
        """End it."""


class _Probe(FileSystemEvent):
    """A question to the observer's thread whether it still hands events on; each differs, or it would be skipped."""


class _Handler(FileSystemEventHandler):
    """Passes on the paths of events: of files by name, of folders as None (look at everything)."""

    def __init__(self, hint: Hint) -> None:
        self._hint = hint
        self.answered_s = time.monotonic()

    def dispatch(self, event: FileSystemEvent) -> None:
        """Answer a probe, pass on the rest."""
        if not isinstance(event, _Probe):
            super().dispatch(event)
        self.answered_s = time.monotonic()

    def on_any_event(self, event: FileSystemEvent) -> None:
        durable.crash_point("watch.event")
        path = event.dest_path if isinstance(event, FileMovedEvent | DirMovedEvent) else event.src_path
        self._hint(None if event.is_directory else os.fsdecode(path))


class Observed:
    """By an observer of watchdog's with threads of its own: one that polls, or what the system has."""

    def __init__(self, folder: str, recursive: bool, polling: bool, hint: Hint) -> None:
        self._handler = _Handler(hint)
        self._observer: Any = PollingObserver(timeout=POLLING_INTERVAL_S) if polling else Observer()
        self._watch = self._observer.schedule(self._handler, folder, recursive=recursive, event_filter=list(SEEN))
        self._observer.start()
        self._probed_s = 0.0

    def is_alive(self) -> bool:
        """Whether all its threads are."""
        observer = self._observer
        return bool(observer.is_alive() and observer.emitters and all(one.is_alive() for one in observer.emitters))

    def silent_s(self, now_s: float) -> float:
        """How long the thread that hands events on has owed the answer to a probe; asks the next one."""
        if self._handler.answered_s < self._probed_s:
            return now_s - self._probed_s
        self._probed_s = now_s
        self._observer.event_queue.put((_Probe(str(now_s)), self._watch))
        return 0.0

    def stop(self) -> None:
        """End its threads; waits for one that looks at the folder."""
        self._observer.stop()


@dataclass
class FolderWatch:
    """One folder's watch; `hint` is called from a thread, until `end`."""

    folder: Path
    recursive: bool
    polling: bool
    hint: Hint
    _source: Source | None = None
    _identity: tuple[str, int, int] | None = field(default=None)
    _logged: bool = False
    _ended: bool = False

    def check(self) -> bool:
        """Start the watch if it is not alive on today's folder; True if it was (re)started."""
        identity = self._now()
        if identity == self._identity and self._source is not None and self._source.is_alive():
            return False
        self.stop()
        if identity is None or self._ended:
            return False
        return self._start(identity)

    @property
    def watches(self) -> bool:
        """Whether changes are noticed as they happen; without, only rescans see them."""
        return self._identity is not None

    def stop(self) -> None:
        """End the watch until the next check."""
        source, self._source, self._identity = self._source, None, None
        if source is not None:
            threading.Thread(target=source.stop, name="ending a watch", daemon=True).start()

    def end(self) -> None:
        """End the watch for good, also one that a check in another thread is about to begin."""
        self._ended = True
        self.stop()

    def silent_s(self, now_s: float) -> float:
        """How long what hints has been silent."""
        return 0.0 if self._source is None else self._source.silent_s(now_s)

    def _now(self) -> tuple[str, int, int] | None:
        try:
            real = os.path.realpath(self.folder)
            status = os.stat(real)
        except OSError:
            return None
        return real, status.st_dev, status.st_ino

    def _start(self, identity: tuple[str, int, int]) -> bool:
        try:
            durable.crash_point("watch.before_start")
            self._source = self._make(identity[0])
        except OSError as error:
            if not self._logged:
                log.warning("watch_failed", folder=str(self.folder), error=str(error))
            self._logged = True
            return False
        self._logged = False
        self._identity = identity
        if self._ended:  # meanwhile: whoever ended it saw no source
            self.stop()
        return not self._ended

    def _make(self, folder: str) -> Source:
        if self.polling or sys.platform != "linux":
            return Observed(folder, self.recursive, self.polling, self._pass_on)
        from daemon.intake.kernel_watch import KernelWatch

        return KernelWatch(folder, self.recursive, self._pass_on)

    def _pass_on(self, path: str | None) -> None:
        if not self._ended:
            self.hint(path)
