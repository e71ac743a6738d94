"""Keeps the slots at the last committed promotions and the running trials: loads and proves off the event loop, then
swaps a pointer."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from daemon.config.config import Config
from daemon.ledger import Ledger, promotions, trials
from daemon.runtime.log import get_logger
from daemon.server.pools import Pool
from daemon.server.served import load_served
from daemon.server.slot import ModelSlot
from daemon.server.trial import RunningTrial
from retrain.records.deployment import Champion, Deployment
from retrain.records.errors import DriftdError
from retrain.records.trial import Trial, TrialCounts

if TYPE_CHECKING:
    from daemon.server.recommendation.live import LiveModel

log = get_logger()
POLL_S = 0.1
REPORT_S = 1.0
RETRY_S = 2.0
FAILED_KEPT = 20
Report = Callable[[dict[str, Any]], None]


class Follower:
    """Follows the ledger; `report` sends control a message of each swap, `pool` has the thread that loads."""

    def __init__(
        self, config: Config, slots: dict[str, ModelSlot], ledger: Ledger, report: Report, pool: Pool,
        live: "Mapping[str, LiveModel] | None" = None,
    ) -> None:  # fmt: skip
        self._config, self._slots, self._ledger, self._report = config, slots, ledger, report
        self._pool, self._live = pool, live or {}
        self._hint = asyncio.Event()
        self._seen = -1
        self._marks: tuple[int, tuple[int, ...]] | None = None
        self._reported_s = 0.0
        self._retry_s = float("inf")
        self._unloadable: set[int] = set()
        self._logged_reason = ""

    def hint(self) -> None:
        """Look at once."""
        self._seen = -1
        self._hint.set()

    def has_champions(self) -> bool:
        """Whether any model has something to serve."""
        with self._ledger.connect() as conn:
            return any(promotions.champion(conn, name) is not None for name in self._slots)

    async def catch_up(self) -> None:
        """Bring every slot to its champion; one that fails keeps what it has. Most commits concern no champion, which
        two queries for all models show."""
        self._seen, self._retry_s = self._ledger.data_version(), float("inf")
        with self._ledger.connect() as conn:
            marks = (promotions.latest_id(conn), trials.running_ids(conn))
            if marks == self._marks:
                return
            wanted = {name: (promotions.champion(conn, name), trials.running(conn, name)) for name in self._slots}
        for name, (champion, trial) in wanted.items():
            if champion is not None:
                await self._swap(self._slots[name], champion)
            await self._follow_trial(self._slots[name], trial)
        self._marks = None if self._retry_s < float("inf") else marks

    async def run(self) -> None:
        """Follow until cancelled; the cheap question first."""
        self._seen = -1
        while True:
            try:
                if time.monotonic() >= self._retry_s or self._ledger.data_version() != self._seen:
                    await self.catch_up()
            except (SQLAlchemyError, sqlite3.Error) as error:
                self._log_unreadable(error)
            else:
                self._logged_reason = ""
            if time.monotonic() - self._reported_s >= REPORT_S:
                self._reported_s = time.monotonic()
                self._report_trials()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hint.wait(), POLL_S)
            self._hint.clear()

    def stop(self) -> None:
        """Report the last counts of the trials, and end these."""
        self._report_trials()
        for slot in self._slots.values():
            if slot.trial is not None:
                slot.trial.close()

    def _log_unreadable(self, error: Exception) -> None:
        """What is served stays; logged once, and looked at again."""
        reason, self._seen = str(error).splitlines()[0], -1
        if reason != self._logged_reason:
            log.error("ledger_unreadable", reason=reason)
        self._logged_reason = reason

    async def _swap(self, slot: ModelSlot, champion: Champion) -> None:
        is_served = slot.served is not None and slot.served.promotion == champion.promotion
        if is_served or champion.promotion in slot.failed:
            return
        try:
            fresh = await self._load(slot, champion.deployment, champion.promotion)
        except (DriftdError, OSError, ValueError, MemoryError) as error:
            if isinstance(error, OSError | MemoryError):  # the world's fault, not the version's
                self._retry_s = time.monotonic() + RETRY_S
            else:
                slot.failed = dict(list(slot.failed.items())[-FAILED_KEPT:]) | {champion.promotion: str(error)}
            failure = {"event": "swap_failed", "model": slot.model, "version": champion.deployment.name}
            self._report(failure | {"error": str(error)})
            if slot.served is None and champion.promotion in slot.failed:
                await self._stand_in(slot, champion)
            return
        slot.served = fresh
        message = {"event": "swapped", "model": slot.model, "version": fresh.name}
        self._report(message | {"promotion": champion.promotion, "runtimes": list(fresh.runtimes)})

    async def _stand_in(self, slot: ModelSlot, champion: Champion) -> None:
        """What was served before answers for a champion that cannot be loaded, until it is made anew: better than
        nobody."""
        before = champion.predecessor
        if before is None:
            return
        with contextlib.suppress(DriftdError, OSError, ValueError, MemoryError):
            slot.served = await self._load(slot, before, 0)
            message = {"event": "stand_in", "model": slot.model, "version": before.name}
            self._report(message | {"champion": champion.deployment.name})

    async def _load(self, slot: ModelSlot, deployment: Deployment, promotion: int) -> Any:
        """Load and prove a deployment; a challenger that is promoted is here already."""
        if slot.trial is not None and slot.trial.challenger.deployment == deployment:
            return replace(slot.trial.challenger, promotion=promotion)
        folder = self._config.paths.model(slot.model).versions
        settings = self._config.models[slot.model]
        if settings.task == "recommendation":
            from daemon.server.recommendation.served import load_recommender_of

            recommender = await self._pool.run(load_recommender_of, deployment, promotion, folder)
            await self._live[slot.model].serve(recommender)
            return recommender
        trusted, accelerate = settings.estimator.trusted_types, settings.serving.runtime == "auto"
        return await self._pool.run(load_served, deployment, promotion, folder, trusted, accelerate)

    # --- trials -----------------------------------------------------------------------------------------------

    async def _follow_trial(self, slot: ModelSlot, trial: Trial | None) -> None:
        """Put the challenger beside the champion, or take it away."""
        running = slot.trial
        if running is not None and (trial is None or trial.id != running.trial.id):
            slot.trial = None
            self._report_counts(slot.model, running.trial, running.take())
            running.close()
        if trial is None or slot.trial is not None or trial.id in self._unloadable:
            return
        try:
            challenger = await self._load(slot, trial.deployment, 0)
        except (OSError, MemoryError):
            self._retry_s = time.monotonic() + RETRY_S
            return
        except Exception as error:
            # Nothing about a challenger may stop the champion's follower; and what cannot be loaded must not pass its
            # trial, however many failures are allowed.
            self._unloadable.add(trial.id)
            self._report_counts(slot.model, trial, TrialCounts(failures=trial.max_failures + 1, error=str(error)))
            return
        slot.trial = RunningTrial(trial, challenger)

    def _report_trials(self) -> None:
        for name, slot in self._slots.items():
            if slot.trial is not None:
                self._report_counts(name, slot.trial.trial, slot.trial.take())

    def _report_counts(self, model: str, trial: Trial, counts: TrialCounts) -> None:
        if counts != TrialCounts():
            message = {"event": "trial_seen", "model": model, "version": trial.version, "trial": trial.id}
            self._report(message | {"seen": asdict(counts)})
