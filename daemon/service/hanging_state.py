"""Pings systemd's watchdog for an event loop that waits for a state folder that hangs, as on a dead mount.

The service can do nothing then, and neither could one that is started anew: it would have no servers, and these answer
from memory. A loop that is silent for any other reason is not pinged for."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from daemon.runtime.log import get_logger
from daemon.runtime.systemd_notify import Notifier

log = get_logger()
LOOKS_PER_WATCHDOG = 6
PATIENCE_S = 1.0
"""A folder that does not answer within it hangs."""


class HangingState:
    """A thread that looks at the loop's last beat, and where that is old at the folder."""

    def __init__(self, notifier: Notifier, watchdog_s: float, state: Path, beaten_s: Callable[[], float]) -> None:
        self._notifier, self._every_s, self._state = notifier, watchdog_s / LOOKS_PER_WATCHDOG, state
        self._beaten_s = beaten_s
        self._ended, self._told = threading.Event(), False
        self._probe: threading.Thread | None = None

    def start(self) -> None:
        """Look until `stop`."""
        threading.Thread(target=self._run, name="looking at the state folder", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def look(self, now_s: float) -> None:
        """Ping where the loop is silent and the folder hangs; told once, and when it answers again."""
        is_hung = now_s - self._beaten_s() > self._every_s and self._hangs()
        if is_hung:
            self._notifier.send(WATCHDOG="1", STATUS=f"{self._state} hangs")
        if is_hung and not self._told:
            log.error("state_hung", folder=str(self._state))
        elif self._told and not is_hung:
            log.info("state_answered", folder=str(self._state))
        self._told = is_hung

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self.look(time.monotonic())

    def _hangs(self) -> bool:
        """Whether the folder does not answer; the thread that asks may never end, and is then waited for again."""
        if self._probe is None or not self._probe.is_alive():
            self._probe = threading.Thread(target=self._ask, name="asking the state folder", daemon=True)
            self._probe.start()
        self._probe.join(PATIENCE_S)
        return self._probe.is_alive()

    def _ask(self) -> None:
        try:
            os.statvfs(self._state)
            self._state.stat()
        except OSError:
            return
