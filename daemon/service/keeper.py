"""One model's keeper: its intake of files, its cycles and its scheduled checks, started and stopped together."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from math import inf
from typing import Any

from structlog.contextvars import bind_contextvars

from daemon.cycles.checks import check_again, scheduled_check
from daemon.cycles.own_metrics import tell_unusable
from daemon.cycles.retention import keep_model
from daemon.cycles.runner import CycleRunner
from daemon.cycles.tidying import keep_tidy
from daemon.intake.events import EventIntake
from daemon.intake.files import Intake
from daemon.intake.labels import take_segments
from daemon.intake.prefix import PrefixIntake
from daemon.intake.source import SourceIntake
from daemon.intake.traffic import Traffic
from daemon.ledger import due
from daemon.runtime.context import ModelContext
from daemon.runtime.restarting import LONGEST_PAUSE_S, supervise
from daemon.runtime.within import within
from daemon.scoring.dropped import DroppedFiles
from retrain.records.errors import Refused

FAILURE_PAUSE_S = 5.0
CHECK_AGAIN_S = 60.0
SPOOL_LOOK_S = 2.0


@dataclass
class ModelKeeper:
    """Keeps one model good; a part that fails unexpectedly is logged and started again."""

    context: ModelContext
    promoted: Callable[[], None]
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _asked: set["asyncio.Task[str]"] = field(default_factory=set)
    _scheduled: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        in_folder = self.context.settings.data_uri is None
        self.intake = Intake(self.context) if in_folder else PrefixIntake(self.context)
        self.traffic = Traffic(self.context)
        self.events = EventIntake(self.context, self.intake.has_disk)
        scores = self.context.settings.scoring.in_dir is not None
        self.scoring = DroppedFiles(self.context, logged=self.traffic.look_again) if scores else None
        self.source = SourceIntake(self.context, self.intake.has_disk, os.environ)
        self.cycles = CycleRunner(self.context, self.intake.waiting, self.promoted)

    def start(self) -> None:
        """Begin to work."""
        self._scheduled.set()
        posted = self.events.run if self._recommends else self._labels
        parts = [
            self.intake.run, self.cycles.run, self._checks, posted, self.traffic.run, self.source.run,
            self._tidy, self._retention,
        ]  # fmt: skip
        parts += [] if self.scoring is None else [self.scoring.run]
        self._tasks = [asyncio.create_task(self._supervise(part)) for part in parts]

    async def stop(self) -> None:
        """End all work; what was under way goes on at the next start."""
        tasks = [*self._tasks, *self._asked]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def pull(self) -> str:
        """Pull new rows of the database and look for new objects of the prefix now; what came of it. Refused where the
        keeper is stopped meanwhile: of a model one pull is under way at a time, whoever keeps it."""
        task = asyncio.create_task(self._pull())
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            raise Refused("the configuration is read anew meanwhile", "ask again") from None

    async def _pull(self) -> str:
        told = [await self.intake.look_now()] if isinstance(self.intake, PrefixIntake) else []
        if not told or self.context.settings.source is not None:
            told.append(await self.source.pull(asked=True))
        return "; ".join(told)

    def silences(self, now_s: float) -> dict[str, float]:
        """Seconds of silence of its parts; a task that ended is silent for good."""
        ended = any(task.done() for task in self._tasks)
        name = self.context.name
        silent_s = [one.watch_silent_s(now_s) for one in (self.intake, self.scoring) if one is not None]
        return {f"keeper of {name}": inf if ended else 0.0, f"watch of {name}": max(silent_s)}

    @property
    def _recommends(self) -> bool:
        """Whether what is posted are events, and no labels."""
        return self.context.settings.task == "recommendation"

    def wake(self, kind: str) -> None:
        """Something of `kind` (check or retrain) is due."""
        (self._scheduled if kind == "check" else self.context.decision_needed).set()

    def after_promotion(self) -> None:
        """Clean up behind a new champion."""
        self.context.cleanup_needed.set()
        self._scheduled.set()
        self.context.decision_needed.set()

    async def _supervise(self, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        bind_contextvars(model=self.context.name)  # also for what the model's workers log
        await supervise(part, self.context.log, FAILURE_PAUSE_S)

    async def _tidy(self) -> None:
        await keep_tidy(self.context)

    async def _checks(self) -> None:
        """Work off the scheduled checks that are due, several missed ones as one; and judge files that could not be
        judged when they came."""
        await tell_unusable(self.context)
        while True:
            with contextlib.suppress(TimeoutError):
                await within(self._scheduled.wait(), CHECK_AGAIN_S * self.context.shared.pace)
            self._scheduled.clear()
            try:
                judged = await check_again(self.context)
            except Exception:
                self._scheduled.set()  # begun again, it looks at once
                raise
            if judged:
                self.context.decision_needed.set()
            with self.context.shared.ledger.connect() as conn:
                pending = due.pending(conn, self.context.name, "check")
            if not pending:
                continue
            if self._recommends:
                await self.events.roll()
            await scheduled_check(self.context, await self.traffic.roll())
            await self.context.shared.writable()
            with self.context.shared.ledger.begin() as conn:
                due.finish(conn, pending, self.context.now())
            self.context.decision_needed.set()

    async def _retention(self) -> None:
        await keep_model(self.context)

    async def _labels(self) -> None:
        """Take in labels that came through the server; those that cannot be are tried again ever more seldom."""
        pause_s = SPOOL_LOOK_S
        while True:
            taken, later = await take_segments(self.context, self.intake.has_disk)
            if taken:
                self.context.decision_needed.set()
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S) if later and not taken else SPOOL_LOOK_S
            await asyncio.sleep(pause_s * self.context.shared.pace)
