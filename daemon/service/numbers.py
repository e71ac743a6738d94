"""Keeps the file of numbers that servers pass on to Prometheus: read from the ledger by a thread where that changed,
and renewed where it did not, so that its age tells whether control is alive."""

import asyncio
import time
from collections.abc import Callable, Mapping

from daemon.config.config import Config
from daemon.ledger import Ledger, Version, Watch
from daemon.reports.metrics import state_numbers
from daemon.runtime.numbers import renew_numbers, write_numbers

EVERY_S, RENEW_S = 5.0, 15.0
"""The ledger is looked at so often, and the file is renewed so often where nothing changed."""
RESTS = 20.0
"""After a reading it rests at least so many times as long as that took: a twentieth of a processor at most."""
Seen = tuple[Version, int, dict[str, int]]
"""What the numbers were made of: the ledger's data version, the configuration, and the queues."""


class NumbersWriter:
    """Of one service; `queues` says of each model how many files wait to be taken in."""

    def __init__(
        self, config: Callable[[], Config], ledger: Ledger, queues: Callable[[], dict[str, int]],
        now: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._config, self._ledger, self._queues = config, ledger, queues
        self._now, self._monotonic = now, monotonic
        self._watch: Watch | None = None
        self._seen: Seen | None = None
        self._again_s = self._renew_s = float("-inf")

    async def look(self) -> None:
        """Write what is new, unless the last time was just now; OSError, or an error of the ledger's: then it is
        written the next time."""
        if self._monotonic() >= self._again_s:
            await asyncio.to_thread(self._look, self._config(), self._queues())

    def _look(self, config: Config, queues: Mapping[str, int]) -> None:
        began_s = self._monotonic()
        self._again_s = began_s + EVERY_S
        seen = self._data_version(), id(config), dict(queues)
        if seen != self._seen:
            at = self._now()
            with self._ledger.connect() as conn:
                numbers = state_numbers(conn, config.models, queues)
            write_numbers(config.paths, numbers, at)
            self._seen = seen
        elif began_s >= self._renew_s:
            self._seen = None  # written anew where the file is gone
            renew_numbers(config.paths, self._now())
            self._seen = seen
        else:
            return
        took_s = self._monotonic() - began_s
        self._again_s = began_s + max(EVERY_S, RESTS * took_s)
        self._renew_s = began_s + RENEW_S

    def _data_version(self) -> Version:
        """Changes with each commit of another connection; of one of its own, which is in no pool."""
        if self._watch is None:
            self._watch = self._ledger.watch()
        return self._watch.version()
