"""What servers report: swaps, failures to load, stand-ins, and what they saw of trials."""

import time
from collections.abc import Callable
from typing import Any

from daemon.cycles.loadable import unreadable
from daemon.cycles.trial import Reports
from daemon.ledger import promotions
from daemon.runtime.log import get_logger
from daemon.service.keepers import Keepers
from daemon.service.ledger_writes import PendingWrites
from daemon.service.serving_file import Serving

log = get_logger()


def log_message(message: dict[str, Any]) -> None:
    """Log a server's report."""

    def fields(*names: str) -> dict[str, Any]:
        return {name: message[name] for name in names}

    if message["event"] == "swapped" and message["is_loaded"]:
        log.info("model_swapped", **fields("model", "version", "pid", "runtimes"))
    elif message["event"] == "swapped":
        log.info("version_verified", **fields("model", "version", "pid"))
    elif message["event"] == "swap_failed":
        log.error("swap_failed", model=message["model"], version=message.get("version"), reason=message["error"])
    elif message["event"] == "stand_in":
        log.warning("stand_in_served", **fields("model", "version", "champion"))


class ServerMessages:
    """Acts on the reports; `trials` adds up what is to be written about trials, `serving` has what is served; what
    servers logged is kept by `keep`, as if control had logged it."""

    def __init__(
        self, keepers: Keepers, pending: PendingWrites, serving: Serving,
        keep: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._keepers, self._pending, self._keep = keepers, pending, keep
        self.trials = Reports()
        self.serving = serving

    def receive(self, message: dict[str, Any]) -> None:
        """A server's report."""
        self.receive_logged(message)
        self.serving.receive(message)
        if message["event"] == "swapped":
            self._mark_swapped(message["promotion"])
        log_message(message)
        if message["event"] == "trial_seen":
            self._add_to_trial(message)
        elif message["event"] == "swap_failed":
            unreadable.cache_clear()  # perhaps it was damaged since it was looked at
            self._keepers.decide_again(message["model"])

    def take_over(self) -> None:
        """What the servers serve by now another host may have promoted, and not have heard of."""
        for promotion in self.serving.promotions():
            self._mark_swapped(promotion)

    def _mark_swapped(self, promotion: int) -> None:
        swapped_at = time.time()
        self._pending.write(lambda conn: promotions.mark_swapped(conn, promotion, swapped_at))

    def receive_logged(self, message: dict[str, Any]) -> None:
        """What a server or the page logged, if it is that: it stands in the log already."""
        if message["event"] == "logged":
            self._keep(message["entry"])

    def _add_to_trial(self, message: dict[str, Any]) -> None:
        self.trials.add(message)
        counts = message["seen"]
        if counts["failures"]:
            log.warning(
                "challenger_failed", model=message["model"], version=message["version"],
                requests=counts["failures"], reason=counts["error"], pid=message["pid"],
            )  # fmt: skip
