"""What views are read from: the ledger opened when somebody looks, and again after it failed."""

import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config
from daemon.ledger import Ledger, open_ledger
from daemon.page.traffic import Traffic
from daemon.reports.page.asked import Asked, PageReader
from daemon.runtime.restarting import error_key
from daemon.tools.doctor import examine
from retrain.records.errors import Refused, Retry

T = TypeVar("T")
View = Callable[[PageReader, Asked], T]
Version = tuple[int, int, int]
"""Device and inode of the ledger's file, and SQLite's data_version."""


class Reading:
    """One ledger for all threads of the page, read only."""

    def __init__(self, config: Config, traffic: Traffic | None = None) -> None:
        self._config, self._traffic = config, traffic or Traffic()
        self._ledger: Ledger | None = None
        self._file: tuple[int, int] | None = None
        self._watch: sqlite3.Connection | None = None
        self._turn = threading.Lock()

    def view(self, of: View[T], asked: Asked) -> T:
        """A view of the ledger as it is now; where it cannot be read, of that."""
        trouble = ""
        try:
            return of(self._reader(self.ledger()), asked)
        except (Refused, Retry) as error:
            trouble = str(error)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            trouble = error_key(error)
            self.close()
        return of(self._reader(None, trouble), asked)

    def ledger(self) -> Ledger:
        """It, open, anew where another file is there by now; Refused, Retry or OSError where it cannot be."""
        with self._turn:
            there = self._config.paths.ledger.stat() if self._ledger is not None else None
            if self._ledger is not None and there is not None and self._file != (there.st_dev, there.st_ino):
                self._forget()
            if self._ledger is None:
                self._ledger = open_ledger(self._config.state_dir, create=False, read_only=True)
                there = self._ledger.path.stat()
                self._file = there.st_dev, there.st_ino
            return self._ledger

    def version(self) -> Version | None:
        """Another one after each commit to the ledger; None where it cannot be read."""
        try:
            ledger = self.ledger()
            with self._turn:
                if self._ledger is not ledger or self._file is None:
                    return None
                if self._watch is None:
                    self._watch = ledger.watch()
                return *self._file, self._watch.execute("PRAGMA data_version").fetchone()[0]
        except (Refused, Retry, SQLAlchemyError, sqlite3.Error, OSError):
            return None

    def _reader(self, ledger: Ledger | None, trouble: str = "") -> PageReader:
        traffic = self._traffic.by_model(list(self._config.models))
        return PageReader(self._config, ledger, self._config.paths, trouble, _examined, traffic)

    def close(self) -> None:
        """Open it anew the next time: perhaps another is there then."""
        with self._turn:
            self._forget()

    def _forget(self) -> None:
        """Close what is open; the caller has the turn."""
        for connection in (self._watch, self._ledger):
            if connection is not None:
                connection.close()
        self._watch = self._ledger = None


def _examined(config: Config) -> list[dict[str, Any]]:
    """What `driftd doctor` finds, as its JSON."""
    return [dict(finding.__dict__) for finding in examine(config)]
