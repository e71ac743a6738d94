"""Live traffic as data: from time to time the kept answers become a data file that is taken in like a dropped one.

Which answers a file is made of is committed before it is made, and that they were taken with the file itself: a kill in
between makes the same file again, and none twice."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from daemon.cycles.schemas import logged_schema
from daemon.intake.prediction_log import convert_segments, sweep, trim
from daemon.intake.take_in import accept, refuse
from daemon.intake.taking import Taking
from daemon.ledger import prediction_log
from daemon.reading.look import Look
from daemon.reading.operations import TrafficRequest
from daemon.runtime.context import ModelContext, make_folders
from daemon.runtime.forgotten import marks_of
from daemon.runtime.spool import begun_at, finished_segments
from daemon.runtime.worker.process import WorkerError
from retrain import durable

LOOK_S = 3.0
RETRY_S = 10.0
CLOCK_SKEW_S = 60.0
CONVERT_BYTES = 16 * 2**20
NOWHERE = Look(0, 0, 0, 0)


@dataclass
class Traffic:
    """One model's live traffic; `run` until cancelled."""

    context: ModelContext
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _oldest: float | None = None
    _again_s: float = 0.0
    _retry_s: float = 0.0
    _failing: bool = False

    async def run(self) -> None:
        """Make a data file whenever the oldest answer that is in none has waited for `every`."""
        async with self._turn:
            make_folders(self.context.folders)
            await self.context.shared.writable()
            sweep(self.context)
            trim(self.context)
            self._oldest = self._waiting()
            await self._take_assigned()
        while True:
            if time.monotonic() >= self._retry_s:
                segments = finished_segments(self.context.folders.log_spool)
                if self._is_due(segments):
                    await self.roll()
                elif sum(segment.stat().st_size for segment in segments) >= CONVERT_BYTES:
                    async with self._turn:
                        await self._convert()
                        await self.context.shared.writable()
                        trim(self.context)
            await asyncio.sleep(LOOK_S * self.context.shared.pace)

    async def roll(self) -> list[str]:
        """Make data files of all answers that are in none; their names. None where there are fewer than a check needs:
        these wait for more."""
        async with self._turn:
            self._failing = False
            made = await self._take_assigned()
            if await self._convert():
                made += await self._take_waiting()
                await self.context.shared.writable()
                trim(self.context)
                self._oldest = self._waiting()
                pause_s = 0.0 if self._oldest is None else self.context.settings.prediction_log.every
                self._again_s = time.monotonic() + pause_s
        if made:
            self.context.decision_needed.set()
        return made

    def look_again(self) -> None:
        """Rows came into the log by another way than by segments."""
        self._oldest = self._waiting()

    def _is_due(self, segments: Sequence[Path]) -> bool:
        """Whether the oldest answer in no data file has waited long enough; too few of them wait as long again. What
        failed is tried again anyhow."""
        if self._failing:
            return True
        oldest = self._oldest if self._oldest is not None else next(map(begun_at, segments), None)
        if oldest is None or time.monotonic() < self._again_s:
            return False
        age_s = self.context.now() - oldest
        return age_s < -CLOCK_SKEW_S or age_s >= self.context.settings.prediction_log.every

    def _waiting(self) -> float | None:
        """The time of the oldest answer of the log that is in no data file."""
        with self.context.shared.ledger.connect() as conn:
            return prediction_log.waiting(conn, self.context.name)[1]

    async def _convert(self) -> bool:
        """Bring the log up to date; no where the disk or the analyst does not let it."""
        if self.context.shared.lack():
            self._retry_s = time.monotonic() + RETRY_S
            return False
        try:
            async with self.context.turns.shared():
                await convert_segments(self.context)
        except WorkerError as error:
            self._failed(error)
            return False
        self._oldest = self._waiting()
        return True

    def _assign(self) -> bool:
        """Commit which answers the next data file is made of."""
        now = datetime.fromtimestamp(self.context.now(), UTC)
        name = f"predictions/{now.strftime('%Y-%m-%dT%H%M%S.%fZ')}"
        with self.context.shared.ledger.begin(durable=True) as conn:
            return prediction_log.assign(conn, self.context.name, name, self.context.settings.drift.min_rows)

    async def _take_waiting(self) -> list[str]:
        """Take in what is in no data file, one after the other, while there is enough for one."""
        made: list[str] = []
        await self.context.shared.writable()
        while not self._failing and self._assign():
            durable.crash_point("traffic.assigned")
            made += await self._take_assigned()
            await self.context.shared.writable()
        return made

    async def _take_assigned(self) -> list[str]:
        """Take in the data files that were begun; those that it could."""
        made = []
        while (logs := self._assigned()) and await self._take(logs):
            made.append(str(logs[0].data_file))
        return made

    def _assigned(self) -> Any:
        with self.context.shared.ledger.connect() as conn:
            return prediction_log.assigned(conn, self.context.name)

    async def _take(self, logs: Any) -> bool:
        """Make one data file of files of the log and take it in; no where it is to be tried again."""
        async with self.context.turns.shared():
            names = {str(row.data_file) for row in logs}
            logs = [row for row in self._assigned() if str(row.data_file) in names]  # they may be rewritten meanwhile
            return await self._take_in(logs) if logs else True

    async def _take_in(self, logs: Any) -> bool:
        context, name = self.context, str(logs[0].data_file)
        schema = logged_schema(context)
        assert schema is not None, "who answered has a version, and that a schema"
        request = TrafficRequest(
            logs=tuple(context.folders.state / row.path for row in logs),
            digests=tuple(row.digest for row in logs),
            schema=schema,
            settings=context.settings,
            work=context.folders.intake,
            forgotten=marks_of(context),
        )

        def also(conn: Connection) -> None:
            prediction_log.taken(conn, context.name, name, context.now())

        try:
            result = await context.shared.analyst.call(request)
        except WorkerError as error:
            if error.kind != "refused":
                self._failed(error)
                return False
            await context.shared.writable()
            refuse(context, Taking(name, NOWHERE, "traffic", also), error.message)
            return True
        await accept(context, Taking(name, result.look, "traffic", also), result.sha256, result.taken)
        return True

    def _failed(self, error: WorkerError) -> None:
        self._failing = True
        self._retry_s = time.monotonic() + RETRY_S
        self.context.log.error("prediction_log_delayed", reason=error.message)
