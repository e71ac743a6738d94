"""Watches a data folder and hints at paths that may have changed. Hints may be lost or repeated.

The real path is watched, because a watch on a symbolic link reports nothing; `check` finds a watch that died
(its folder was deleted, renamed or replaced) and starts a new one, since the observer itself does not notice.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch
from watchdog.observers.polling import PollingObserver

if sys.platform == "linux":
    from watchdog.observers.inotify import InotifyEmitter
    from watchdog.observers.inotify_c import InotifyFD

from daemon.runtime.log import get_logger
from retrain import durable

log = get_logger()
Hint = Callable[[str | None], None]
WANTED = (FileCreatedEvent, FileClosedEvent, FileMovedEvent, DirCreatedEvent, DirMovedEvent)
POLLED = (FileCreatedEvent, FileModifiedEvent, FileMovedEvent, DirCreatedEvent, DirMovedEvent)
POLLING_INTERVAL_S = 2.0


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


class _Instance:
    """The process's one inotify instance, for all folders: a system grants a user few."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reader: Any = None

    def observer(self) -> tuple[BaseObserver, threading.Thread | None]:
        """An observer, and the thread that reads the instance for it, begun again if it ended; where there is no
        inotify, what the system has."""
        if sys.platform != "linux":
            return Observer(), None
        with self._lock:
            if self.reader is None or not self.reader.is_alive():
                self.reader = InotifyFD()
                self.reader.start()
            return BaseObserver(InotifyEmitter, inotify_fd=self.reader), self.reader


INSTANCE = _Instance()


@dataclass
class FolderWatch:
    """One folder's watch; `hint` is called from a thread of the observer."""

    folder: Path
    recursive: bool
    polling: bool
    hint: Hint
    _observer: BaseObserver | None = None
    _reader: threading.Thread | None = None
    _handler: _Handler | None = None
    _probed_s: float = 0.0
    _watch: ObservedWatch | None = None
    _identity: tuple[str, int, int] | None = field(default=None)
    _logged: bool = False

    def check(self) -> bool:
        """Start the watch if it is not alive on today's folder; True if it was (re)started."""
        identity = self._now()
        if identity == self._identity and self._alive():
            return False
        self.stop()
        if identity is None:
            return False
        return self._start(identity)

    @property
    def watches(self) -> bool:
        """Whether changes are noticed as they happen; without, only rescans see them."""
        return self._identity is not None

    def stop(self) -> None:
        """End the watch and its threads."""
        observer, self._observer, self._identity = self._observer, None, None
        if observer is not None:
            observer.stop()
            if observer.is_alive():
                observer.join(timeout=5)

    def silent_s(self, now_s: float) -> float:
        """How long the thread that hands events on has owed the answer to a probe; asks the next one."""
        observer, handler, watch = self._observer, self._handler, self._watch
        if observer is None or handler is None or watch is None:
            return 0.0
        if handler.answered_s < self._probed_s:
            return now_s - self._probed_s
        self._probed_s = now_s
        observer.event_queue.put((_Probe(str(now_s)), watch))
        return 0.0

    def _now(self) -> tuple[str, int, int] | None:
        try:
            real = os.path.realpath(self.folder)
            status = os.stat(real)
        except OSError:
            return None
        return real, status.st_dev, status.st_ino

    def _alive(self) -> bool:
        observer = self._observer
        if observer is None or not observer.is_alive() or not observer.emitters:
            return False
        if self._reader is not None and not self._reader.is_alive():
            return False
        return all(emitter.is_alive() for emitter in observer.emitters)

    def _make(self) -> tuple[BaseObserver, threading.Thread | None]:
        return (PollingObserver(timeout=POLLING_INTERVAL_S), None) if self.polling else INSTANCE.observer()

    def _start(self, identity: tuple[str, int, int]) -> bool:
        events = list(POLLED if self.polling else WANTED)
        handler = _Handler(self.hint)
        observer: BaseObserver | None = None
        try:
            durable.crash_point("watch.before_start")
            observer, self._reader = self._make()
            self._watch = observer.schedule(handler, identity[0], recursive=self.recursive, event_filter=events)
            observer.start()
        except OSError as error:
            if not self._logged:
                log.warning("watch_failed", folder=str(self.folder), error=str(error))
            self._logged = True
            if observer is not None:
                observer.stop()
            return False
        self._logged = False
        self._observer, self._handler, self._identity = observer, handler, identity
        self._probed_s = 0.0
        return True
