"""Small writes to the ledger of somebody who can neither wait nor fail: tried until they are done."""

from collections import deque
from collections.abc import Callable

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from daemon.ledger import Ledger
from daemon.runtime.log import get_logger

log = get_logger()
Write = Callable[[Connection], None]


class PendingWrites:
    """Writes in their order, each in a transaction of its own, and what is to be done after each."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: deque[tuple[Write, Callable[[], object]]] = deque()

    def write(self, write: Write, after: Callable[[], object] = lambda: None) -> None:
        """Write now, or when the ledger can be written again."""
        self._waiting.append((write, after))
        self.write_all()

    def write_all(self, patient: bool = False) -> None:
        """Try what waits; where another holds the ledger's lock only if `patient`."""
        while self._waiting:
            write, after = self._waiting[0]
            if not patient and not self._ledger.is_free():
                return
            try:
                with self._ledger.begin(durable=True) as conn:
                    write(conn)
            except OperationalError as error:
                log.error("ledger_delayed", reason=str(error.orig), writes=len(self._waiting))
                return
            self._waiting.popleft()
            after()
