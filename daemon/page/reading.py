"""What views are read from: the ledger opened when somebody looks, and again after it failed."""

import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config
from daemon.ledger import Ledger, open_ledger
from daemon.reports.page.asked import Asked, PageReader
from daemon.runtime.restarting import error_key
from retrain.records.errors import Refused, Retry

T = TypeVar("T")
View = Callable[[PageReader, Asked], T]


class Reading:
    """One ledger for all threads of the page, read only."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._ledger: Ledger | None = None
        self._turn = threading.Lock()

    def view(self, of: View[T], asked: Asked) -> T:
        """A view of the ledger as it is now; where it cannot be read, of that."""
        trouble = ""
        try:
            return of(PageReader(self._config, self.ledger(), self._config.paths), asked)
        except (Refused, Retry) as error:
            trouble = str(error)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            trouble = error_key(error)
            self.close()
        return of(PageReader(self._config, None, self._config.paths, trouble), asked)

    def ledger(self) -> Ledger:
        """It, open; Refused or Retry where it cannot be."""
        with self._turn:
            if self._ledger is None:
                self._ledger = open_ledger(self._config.state_dir, create=False, read_only=True)
            return self._ledger

    def close(self) -> None:
        """Open it anew the next time: perhaps another is there then."""
        with self._turn:
            before, self._ledger = self._ledger, None
        if before is not None:
            before.close()
