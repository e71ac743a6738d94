"""Whether this service may lead: the ledger is opened, and its lease claimed, again and again until it is had."""

from enum import Enum

from sqlalchemy.exc import OperationalError

from daemon.config.config import Config
from daemon.ledger import Ledger, leases, open_ledger, waiting_ledger
from daemon.ledger.leases import Leader
from daemon.runtime.lock import holder_of
from daemon.runtime.restarting import error_key
from retrain.records.errors import Refused, Retry


class Turn(Enum):
    """What came of a try to lead."""

    OURS = "ours"
    THEIRS = "theirs"
    AWAITED = "awaited"
    UNTRIED = "untried"


class Candidate:
    """Of the ledger at `url`, or in the state folder. After a try `leader` is who led before, and `reason` why the
    ledger is waited for."""

    def __init__(self, config: Config, url: str | None) -> None:
        self.url, self.holder = url, holder_of(config.state_dir)
        self.leader: Leader | None = None
        self.reason = ""
        self._config = config
        self._is_open = False

    def open(self, config: Config) -> Ledger:
        """The ledger, to be claimed; one that is locked, or not to be reached, is waited for: servers need it less than
        control."""
        self._config = config
        try:
            ledger, self._is_open = self.opened(), True
        except Retry:
            ledger, self._is_open = waiting_ledger(config.state_dir, self.url), False
        ledger.fence()
        return ledger

    def opened(self) -> Ledger:
        """As `daemon.ledger.open_ledger` does."""
        service = self._config.service
        is_copy = service.store is not None
        return open_ledger(self._config.state_dir, url=self.url, group=service.group, is_copy=is_copy)

    def begin(self, ledger: Ledger) -> Turn:
        """The first try, of a ledger that could be opened."""
        return self.try_to_lead(ledger) if self._is_open else Turn.UNTRIED

    def try_to_lead(self, ledger: Ledger, stands_by: bool = False, reaches_store: bool = True) -> Turn:
        """Refused where another service leads, and there is no store that would have what its host has. Who does not
        reach the store could not go on with the files of the one before, and does not try."""
        service = self._config.service
        try:
            if not self._is_open:
                self.opened().close()
                self._is_open = True
            if not stands_by and not ledger.is_free():
                self.reason = f"{ledger.place} is locked by another process"
                return Turn.AWAITED
            before = self.leader
            if self.url is not None:
                with ledger.connect() as conn:
                    self.leader = leases.leader(conn)
            if not reaches_store:
                return Turn.THEIRS
            if ledger.claim(self.holder, service.lease):
                return Turn.OURS
        except Retry as error:
            self.reason = error.message
            return Turn.AWAITED
        except OperationalError as error:
            self.reason = error_key(error)
            return Turn.AWAITED
        if self.leader is None:
            return Turn.UNTRIED  # another one was quicker
        if service.store is not None:
            return Turn.THEIRS
        self.reason = f"{self.leader.holder} had it last, and may have it still"
        if before is not None and self.leader.until > before.until:
            raise Refused(
                f"another service works with the ledger {ledger.place}: {self.leader.holder}",
                "stop that one, or give this one a database of its own; with a store it would stand by",
            )
        return Turn.AWAITED
