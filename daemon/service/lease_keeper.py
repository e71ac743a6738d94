"""Renews the service's lease of the ledger, beside an event loop that may wait for the same database."""

import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from daemon.ledger import Ledger

RENEWALS = 4
"""In the length of a lease."""
LOOK_S = 0.2


class LeaseKeeper:
    """A thread, from `start` to `stop`; `lost` is called in it, once, where another service leads."""

    def __init__(self, ledger: Ledger, lease_s: float, lost: Callable[[], None]) -> None:
        self._ledger, self._every_s, self._lost = ledger, lease_s / RENEWALS, lost
        self._ended = threading.Event()

    def start(self) -> None:
        """Renew, where there is a lease."""
        if self._ledger.term:
            threading.Thread(target=self._run, name="renewing the lease", daemon=True).start()

    def stop(self) -> None:
        """Renew no more."""
        self._ended.set()

    def _run(self) -> None:
        again_s = time.monotonic() + self._every_s
        while not self._ended.wait(LOOK_S):
            if not self._ledger.lost and time.monotonic() >= again_s:
                again_s = time.monotonic() + self._every_s
                self._renew()
            if self._ledger.lost:
                self._lost()
                return

    def _renew(self) -> None:
        """While it cannot be told whether another one leads, this one goes on: it can write nothing."""
        try:
            self._ledger.renew()
        except SQLAlchemyError:
            return
