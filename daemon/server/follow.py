"""Keeps the slots at the last promotions and the running trials, as they are described: loads and proves off the event
loop, then swaps a pointer."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.config.config import Config
from daemon.runtime.log import get_logger
from daemon.runtime.restarting import error_key
from daemon.runtime.within import within
from daemon.server.kept import KeptDeployments, key_of
from daemon.server.pools import Pool
from daemon.server.refusal import BadRequest
from daemon.server.served import load_served
from daemon.server.slot import ModelSlot, SlotState
from daemon.server.trial import RunningTrial
from daemon.server.wanted import Wanted, WantedSource
from retrain.records.deployment import Champion, Deployment
from retrain.records.errors import DriftdError
from retrain.records.trial import Trial, TrialCounts
from retrain.store.versions import check_whole

if TYPE_CHECKING:
    from daemon.server.recommendation.live import LiveModel

log = get_logger()
POLL_S = 0.5
"""How often it looks without a hint: who describes hints at it; `driftd serve` beside another driftd finds all so."""
REPORT_S = 1.0
LOOKED_S = 0.05
RETRY_S = 2.0
LATELY_S = 3600.0
"""Who was asked for within so long is loaded before anybody asks again."""
FAILED_KEPT = 20
FAILURES = (DriftdError, OSError, ValueError, MemoryError)
Report = Callable[[dict[str, Any]], None]


class Follower:
    """`report` sends control a message of each swap, `loading` has the thread that loads, `looking` the one that looks
    what is to be served."""

    def __init__(
        self, config: Config, slots: dict[str, ModelSlot], report: Report, loading: Pool, looking: Pool,
        live: "Mapping[str, LiveModel] | None" = None,
    ) -> None:  # fmt: skip
        self._config, self._slots, self._report = config, slots, report
        self._source = WantedSource(config.paths, tuple(slots))
        self._loading, self._looking, self._live = loading, looking, live or {}
        self._loads_late = config.service.load == "when_asked"
        self._turns = {name: asyncio.Lock() for name in slots}
        self._trials: Mapping[str, Trial | None] = {}
        self._hint = asyncio.Event()
        self._hinted = True
        self._looks = 0
        self._reported_s = 0.0
        self._retry_s = float("inf")
        self._unloadable: set[int] = set()
        self._kept = KeptDeployments()
        self._logged_reason = ""

    def hint(self) -> None:
        """Look at once."""
        self._hinted = True
        self._hint.set()

    async def catch_up(self) -> None:
        """Bring every slot to its champion; one that fails keeps what it has."""
        wanted = await self._look()
        if wanted is None:
            return
        for name, champion in wanted.champions.items():
            if champion is not None and not self._slots[name].is_elsewhere:
                self._slots[name].wanted = champion
        self._trials = wanted.trials
        for slot in self._slots.values():
            await self._bring(slot)

    async def load(self, slot: ModelSlot) -> None:
        """Load what somebody asks for, where that was not asked for before."""
        if slot.state is SlotState.UNLOADED:
            await self._bring(slot)

    def asked(self, models: Iterable[str]) -> None:
        """Somebody asked another process for these lately: they are loaded beside what is done."""
        for name in self._slots.keys() & models:
            self._slots[name].asked_s = time.monotonic()
        self.hint()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await self.catch_up()
            self._looks += 1
            if time.monotonic() - self._reported_s >= REPORT_S:
                self._reported_s = time.monotonic()
                self._report_trials()
                await self._loading.run(self._kept.forget_old)
            with contextlib.suppress(TimeoutError):
                await within(self._hint.wait(), POLL_S)
            self._hint.clear()

    async def looked(self) -> None:
        """Return after a look of `run` that began after this was asked."""
        looks = self._looks
        while self._looks < looks + 2:
            self.hint()
            await asyncio.sleep(LOOKED_S)

    def stop(self) -> None:
        """Report the last counts of the trials, and end these."""
        self._report_trials()
        for slot in self._slots.values():
            if slot.trial is not None:
                slot.trial.close()

    async def _look(self) -> Wanted | None:
        """What is wanted, if that is news or to be tried again. What is served stays while nothing can be read, which
        is logged once and tried again."""
        again = self._hinted or time.monotonic() >= self._retry_s
        try:
            wanted = await self._looking.run(self._source.look, again)
        except (BadRequest, OSError) as error:
            self._log_unreadable(str(error))
            return None
        self._log_unreadable("")
        if again:
            self._hinted, self._retry_s = False, float("inf")
        return wanted

    def _log_unreadable(self, reason: str) -> None:
        if reason and reason != self._logged_reason:
            log.error("ledger_unreadable", reason=reason)
        self._logged_reason = reason

    async def _bring(self, slot: ModelSlot) -> None:
        """Bring a slot to its champion and its trial; of a model that nobody asks for, its files."""
        async with self._turns[slot.model]:
            champion, served = slot.wanted, slot.served
            is_served = champion is not None and served is not None and served.promotion == champion.promotion
            if champion is not None and not is_served and champion.promotion not in slot.failed:
                try:
                    await self._swap(slot, champion)
                except FAILURES as error:
                    await self._fail(slot, champion, error)
            await self._follow_trial(slot, None if slot.state is SlotState.UNLOADED else self._trials.get(slot.model))

    async def _swap(self, slot: ModelSlot, champion: Champion) -> None:
        message = {"event": "swapped", "model": slot.model, "promotion": champion.promotion}
        if self._loads_late and time.monotonic() - slot.asked_s > LATELY_S:
            if slot.proven != champion.promotion or slot.hindered:
                await self._loading.run(self._check, slot.model, champion.deployment)
                slot.served, slot.proven, slot.hindered = None, champion.promotion, ""
                self._report(message | {"version": champion.deployment.name, "is_loaded": False})
            return
        fresh = await self._load(slot, champion.deployment, champion.promotion)
        slot.served, slot.hindered = fresh, ""
        self._report(message | {"version": fresh.name, "is_loaded": True, "runtimes": list(fresh.runtimes)})

    def _check(self, model: str, deployment: Deployment) -> None:
        """Refused where the files of its versions are not those that were published."""
        for member in deployment.members:
            check_whole(self._config.paths.model(model).version(member.version))

    async def _fail(self, slot: ModelSlot, champion: Champion, error: Exception) -> None:
        if not isinstance(error, DriftdError | ValueError):  # the world's fault, not the version's
            self._retry_s, slot.hindered = time.monotonic() + RETRY_S, error_key(error)
        else:
            slot.failed = dict(list(slot.failed.items())[-FAILED_KEPT:]) | {champion.promotion: str(error)}
        failure = {"event": "swap_failed", "model": slot.model, "version": champion.deployment.name}
        self._report(failure | {"error": str(error)})
        if slot.served is None and champion.promotion in slot.failed:
            await self._stand_in(slot, champion)

    async def _stand_in(self, slot: ModelSlot, champion: Champion) -> None:
        """What was served before answers for a champion that cannot be loaded, until it is made anew: better than
        nobody."""
        before = champion.predecessor
        if before is None:
            return
        with contextlib.suppress(*FAILURES):
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

            recommender = await self._loading.run(load_recommender_of, deployment, promotion, folder)
            await self._live[slot.model].serve(recommender)
            return recommender
        trusted, accelerate = settings.estimator.trusted_types, settings.serving.runtime == "auto"
        return await self._loading.run(self._kept_or_loaded, deployment, promotion, folder, trusted, accelerate)

    def _kept_or_loaded(self, deployment: Deployment, promotion: int, folder: Path, *how: Any) -> Any:
        """In the thread that loads. What was served a while ago is not loaded again, while its files are the same."""
        try:
            key = key_of(deployment, folder)
        except OSError:
            return load_served(deployment, promotion, folder, *how)
        kept = self._kept.find(key)
        if kept is None:
            loaded = load_served(deployment, promotion, folder, *how)
        else:
            loaded = replace(kept, deployment=deployment, promotion=promotion)
        self._kept.keep(key, loaded)
        return loaded

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
