"""The service's heartbeat: looks after every part, and pings systemd's watchdog only while all of them live.

A part that is silent for half of the watchdog's time is logged by name. As long as it is silent nothing is pinged, so
that systemd ends the service with the stacks of all threads in the journal, and starts it again.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from daemon.runtime.log import get_logger, log_dropped
from daemon.runtime.systemd_notify import Notifier

log = get_logger()
Silences = Callable[[], Mapping[str, float]]
BEATS_PER_WATCHDOG = 12


def hung_s(watchdog_s: float) -> float:
    """How long a part may be silent: half of the watchdog's time, so that it can still be mended or logged."""
    return watchdog_s / 2


@dataclass
class Pulse:
    """Beats until cancelled, last at `beaten_s` (monotonic seconds). `silences` gives each part's seconds of silence,
    `status` what the service does."""

    notifier: Notifier
    watchdog_s: float
    silences: Silences
    status: Callable[[], str]
    beaten_s: float = field(default_factory=time.monotonic)
    _hung: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Look, log, ping, again and again."""
        while True:
            self.beat()
            await asyncio.sleep(self.watchdog_s / BEATS_PER_WATCHDOG)

    def beat(self) -> None:
        """One look at all parts."""
        self.beaten_s = time.monotonic()
        silent = self.silences()
        hung = {part for part, silent_s in silent.items() if silent_s > hung_s(self.watchdog_s)}
        for part in sorted(hung - self._hung):
            log.error("part_hung", part=part, silent_s=round(min(silent[part], 1e9), 1))
        for part in sorted(self._hung - hung):
            log.info("part_recovered", part=part)
        self._hung = hung
        log_dropped()
        if not hung:
            self.notifier.send(WATCHDOG="1", STATUS=self.status())
        else:
            self.notifier.send(STATUS=f"hung: {', '.join(sorted(hung))}")
