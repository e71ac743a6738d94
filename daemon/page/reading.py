"""What views are read from: the ledger opened when somebody looks, and again after it failed."""

import os
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config
from daemon.ledger import Ledger, Version, Watch
from daemon.page.traffic import Traffic
from daemon.reports.page.asked import Asked, PageReader
from daemon.runtime.ledgers import open_configured
from daemon.runtime.restarting import error_key
from retrain.records.errors import Refused, Retry

T = TypeVar("T")
View = Callable[[PageReader, Asked], T]
Seen = tuple[Hashable, Version]
"""Which database it is, and its version."""


class Reading:
    """One ledger for all threads of the page, read only."""

    def __init__(self, config: Config, traffic: Traffic | None = None) -> None:
        self._config, self._traffic = config, traffic or Traffic()
        self._ledger: Ledger | None = None
        self._identity: Hashable = None
        self._watch: Watch | None = None
        self._turn = threading.Lock()

    def view(self, of: View[T], asked: Asked) -> T:
        """A view of the ledger as it is now; where it cannot be read, of that."""
        trouble = ""
        try:
            return of(self._reader(self.ledger()), asked)
        except (Refused, Retry) as error:
            trouble = str(error)
        except (SQLAlchemyError, OSError) as error:
            trouble = error_key(error)
            self.close()
        return of(self._reader(None, trouble), asked)

    def ledger(self) -> Ledger:
        """It, open, anew where another file is there by now; Refused, Retry or OSError where it cannot be."""
        with self._turn:
            if self._ledger is not None and self._ledger.identity() != self._identity:
                self._forget()
            if self._ledger is None:
                self._ledger = open_configured(self._config, os.environ)
                self._identity = self._ledger.identity()
            return self._ledger

    def version(self) -> Seen | None:
        """Another one after each commit to the ledger; None where it cannot be read."""
        try:
            ledger = self.ledger()
            with self._turn:
                if self._ledger is not ledger:
                    return None
                if self._watch is None:
                    self._watch = ledger.watch()
                return self._identity, self._watch.version()
        except (Refused, Retry, SQLAlchemyError, OSError):
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
    """What `driftd doctor` finds, as its JSON; it needs what reads data files, which a page does without."""
    from daemon.tools.doctor import examine

    return [dict(finding.__dict__) for finding in examine(config)]
