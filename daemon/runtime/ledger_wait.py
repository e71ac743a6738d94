"""Waiting for the ledger's lock beside the event loop: SQLite itself would wait on it, and with it everything else."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from daemon.ledger import Ledger
from daemon.runtime.log import get_logger

log = get_logger()
SHORTEST_S, LONGEST_S = 0.02, 1.0
"""Pauses between two looks at the lock."""
LOGGED_AFTER_S = 5.0


@dataclass
class LedgerWait:
    """Awaited before each write of control's, whose transaction then finds the lock free but for the rare moment in
    between. All who wait are told as one."""

    ledger: Ledger
    before: Callable[[], Awaitable[None]] | None = None
    """Awaited first: what is to be committed may name files that have to be elsewhere, too."""
    _since_s: float | None = None
    _is_logged: bool = False

    async def __call__(self) -> None:
        """Return once nobody else holds the lock."""
        if self.before is not None:
            await self.before()
        pause_s = SHORTEST_S
        while not self.look():
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_S)

    def look(self) -> bool:
        """Whether the ledger can be written now; logs once that it cannot for long, and once that it can again."""
        if self.ledger.is_free():
            if self._is_logged and self._since_s is not None:
                log.info("ledger_unlocked", seconds=round(time.monotonic() - self._since_s, 1))
            self._since_s, self._is_logged = None, False
            return True
        now_s = time.monotonic()
        self._since_s = now_s if self._since_s is None else self._since_s
        if not self._is_logged and now_s - self._since_s >= LOGGED_AFTER_S:
            self._is_logged = True
            log.warning("ledger_locked", seconds=round(now_s - self._since_s, 1), file=self.ledger.place)
        return False
