"""Keeps the slots at the last committed promotions: loads and proves off the event loop, then swaps a pointer."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from daemon.config import Config
from daemon.ledger import Ledger, promotions
from daemon.log import get_logger
from daemon.slot import ModelSlot, load_deployment
from retrain.errors import DriftdError

log = get_logger()
POLL_S = 0.1
FAILED_KEPT = 20
Report = Callable[[dict[str, Any]], None]


class Follower:
    """Follows the ledger; `report` tells control of each swap."""

    def __init__(self, config: Config, slots: dict[str, ModelSlot], ledger: Ledger, report: Report) -> None:
        self._config, self._slots, self._ledger, self._report = config, slots, ledger, report
        self._hint = asyncio.Event()
        self._seen = -1

    def hint(self) -> None:
        """Look at once."""
        self._seen = -1
        self._hint.set()

    async def catch_up(self) -> None:
        """Bring every slot to its champion; one that fails keeps what it has."""
        self._seen = self._ledger.data_version()
        with self._ledger.connect() as conn:
            wanted = {name: promotions.champion(conn, name) for name in self._slots}
        for name, champion in wanted.items():
            if champion is not None:
                await self._swap(self._slots[name], champion)

    async def run(self) -> None:
        """Follow until cancelled; the cheap question first."""
        while True:
            if self._ledger.data_version() != self._seen:
                await self.catch_up()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hint.wait(), POLL_S)
            self._hint.clear()

    async def _swap(self, slot: ModelSlot, champion: promotions.ChampionRow) -> None:
        served = slot.served
        if served is not None and served.promotion == champion.promotion:
            return
        if champion.promotion in slot.failed:
            return
        folder = self._config.state_dir / "versions" / slot.model
        settings = self._config.models[slot.model]
        trusted, accelerate = settings.estimator.trusted_types, settings.serving.runtime == "auto"
        try:
            fresh = await asyncio.to_thread(
                load_deployment, champion.deployment, champion.promotion, folder, trusted, accelerate
            )
        except (DriftdError, OSError, ValueError) as error:
            slot.failed = dict(list(slot.failed.items())[-FAILED_KEPT:]) | {champion.promotion: str(error)}
            self._report(
                {"event": "swap_failed", "model": slot.model, "version": champion.deployment.name, "error": str(error)}
            )
            return
        slot.served = fresh
        self._report(
            {
                "event": "swapped",
                "model": slot.model,
                "version": fresh.name,
                "promotion": champion.promotion,
                "runtimes": list(fresh.runtimes),
            }
        )
