"""Renews the service's lease of the ledger, beside an event loop that may wait for the same database; and lets it run
out where the service does not do what who leads is there for."""

import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from daemon.ledger import Ledger
from daemon.runtime.log import get_logger

log = get_logger()
RENEWALS = 4
"""In the length of a lease."""
LOOK_S = 0.2


class LeaseKeeper:
    """A thread, from `start` to `stop`; `lost` is called in it, once, where another service leads. `trouble` says why
    another one had better, "" while it need not."""

    def __init__(self, ledger: Ledger, lease_s: float, lost: Callable[[], None], trouble: Callable[[], str]) -> None:
        self._ledger, self._every_s, self._lost, self._trouble = ledger, lease_s / RENEWALS, lost, trouble
        self._ended, self._is_held_back = threading.Event(), False

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
                self._hold_back(self._trouble())
                self._renew()
            if self._ledger.lost:
                self._lost()
                return

    def _hold_back(self, why: str) -> None:
        """Have it run out where there is trouble, for who stands by and has none; until one takes it this one may
        write."""
        is_news, self._is_held_back = bool(why) != self._is_held_back, bool(why)
        self._ledger.hold_back(self._is_held_back)
        if is_news and why:
            log.error("lease_held_back", term=self._ledger.term, reason=why)
        elif is_news:
            log.info("lease_kept", term=self._ledger.term)

    def _renew(self) -> None:
        """While it cannot be told whether another one leads, this one goes on: it can write nothing."""
        try:
            self._ledger.renew()
        except SQLAlchemyError:
            return
