"""Rows of a database as data: from time to time its new rows become a data file that is taken in like a dropped one.

A file that was pulled gets its lasting name, and then one transaction says so and moves the watermark: a kill before
that pulls the same rows again, and one after it takes in what lies there. While a file waits, or was refused, nothing
more is pulled: rows come in their order, and none is passed over."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from daemon.config.paths import ROWS, SEEN
from daemon.cycles.schemas import reading_digest
from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.ledger import pulls
from daemon.reading.look import Problem, look
from daemon.reading.operations import PullRequest, PullResult
from daemon.reading.watermark import from_json, lowered
from daemon.runtime.context import ModelContext
from daemon.runtime.sources import source_url
from daemon.runtime.worker.process import Limits, Worker, WorkerError
from drift.notation import counted
from retrain import durable
from retrain.records.errors import DriftdError, Refused, Retry
from retrain.records.settings import SourceSettings

DATABASE = "database"
"""Where these files come from, as the ledger has it."""
NICE = 10
RETRY_S, LONGEST_RETRY_S = 10.0, 600.0
START_S = 30.0
"""A process may take so long to start, besides the time that a pull may take."""


@dataclass
class SourceIntake:
    """One model's database; `run` until cancelled."""

    context: ModelContext
    has_disk: Callable[[str], bool]
    environment: Mapping[str, str]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _refused: dict[str, str] = field(default_factory=dict)
    _failed: str = ""
    _failing_since_s: float = 0.0

    async def run(self) -> None:
        """Pull whenever `every` is over; after a failure sooner, then less and less often."""
        source = self.context.settings.source
        if source is None:
            await asyncio.Event().wait()
            return
        failures = 0
        while True:
            try:
                await self.pull()
                failures = 0
            except (WorkerError, DriftdError):
                failures = min(failures + 1, 20)
            retry_s = min(min(source.every, RETRY_S) * 2 ** (failures - 1), LONGEST_RETRY_S) if failures else 0.0
            await asyncio.sleep(retry_s or source.every)

    async def pull(self, asked: bool = False) -> str:
        """Pull what is new, as many files as it takes, and say what came; WorkerError or a DriftdError where it cannot
        be. What was refused is read once more only where something else decides how, or where it is `asked` for."""
        async with self._turn:
            if asked:
                self._refused.clear()
            try:
                told = await self._pull_all(self._source())
            except (WorkerError, DriftdError) as error:
                self._log_failed(str(error))
                raise
            self._log_recovered()
            return told

    def _source(self) -> SourceSettings:
        if self.context.settings.source is None:
            raise Refused(
                f"{self.context.name} has no database and no object store", f"see [models.{self.context.name}.source]"
            )
        return self.context.settings.source

    async def _pull_all(self, source: SourceSettings) -> str:
        rows, names, more = 0, list[str](), True
        await self.context.shared.writable()
        while True:
            await self._take_waiting()
            self._trim(source)
            if not more:
                return f"{counted(rows, 'row')}: {', '.join(names)}"
            begun_s = time.monotonic()
            name = datetime.fromtimestamp(self.context.now(), UTC).strftime("%Y-%m-%dT%H%M%S.%fZ")
            if not self.has_disk(f"source/{name}"):
                raise Retry("the disk has no room")
            result = await self._ask(source)
            more = result.more
            if result.rows:
                await self._keep(source, name, result, time.monotonic() - begun_s)
                rows, names = rows + result.rows, [*names, f"source/{name}"]
            elif not names:
                return "no row is new"

    async def _ask(self, source: SourceSettings) -> PullResult:
        """Have a process of its own pull: it ends with its time, and with it what it knew of the database."""
        context = self.context
        with context.shared.ledger.connect() as conn:
            known = pulls.of_watermark(conn, context.name, source.watermark)
        state, gone = context.folders.state, [row.value for row in known if not row.is_kept]
        request = PullRequest(
            url=source_url(context.shared.config, context.name, self.environment),
            folder=context.shared.config.path.parent, settings=context.settings, work=context.folders.pulling,
            after=known[-1].value if known else None, above=gone[-1] if gone else None,
            seen=tuple(state / row.folder / SEEN for row in known if row.is_kept),
        )  # fmt: skip
        worker = Worker("puller", Limits(nice=NICE, group=context.shared.training), forks=context.shared.forks)
        try:
            return await worker.call(request, source.timeout + START_S, "source.timeout")
        finally:
            await worker.close()

    async def _keep(self, source: SourceSettings, name: str, result: PullResult, seconds: float) -> None:
        """Publish what was pulled; its row in the ledger is also the watermark."""
        context = self.context
        assert result.watermark is not None, "rows have one"
        if not context.folders.pulled.is_dir():
            durable.make_folder(context.folders.pulled, "source.folder")
            durable.fsync_path(context.folders.pulled.parent)
            durable.fsync_path(context.folders.state)
        folder = context.folders.pulled / name
        durable.publish_folder(context.folders.pulling, folder, "source.publish")
        await context.shared.writable()
        with context.shared.ledger.begin(durable=True) as conn:
            pulls.record(
                conn, context.name, f"source/{name}", str(folder.relative_to(context.folders.state)),
                source.watermark, result.watermark, result.rows, context.now(),
            )  # fmt: skip
        durable.crash_point("source.committed")
        told = {"rows": result.rows, "watermark": str(result.watermark["value"]), "seconds": round(seconds, 3)}
        context.log.info("rows_pulled", file=f"source/{name}", **told)

    async def _take_waiting(self) -> None:
        """Take in what was pulled and is not in yet; Retry or Refused where that cannot be."""
        context = self.context
        while True:
            with context.shared.ledger.connect() as conn:
                pulled = pulls.waiting(conn, context.name)
            if pulled is None:
                return
            await self._take(pulled.path, context.folders.state / pulled.folder / ROWS)

    async def _take(self, name: str, path: Path) -> None:
        context, reading = self.context, await asyncio.to_thread(reading_digest, self.context)
        with context.shared.ledger.begin() as conn:
            pulls.settle(conn, context.name, name)  # a refused one may be forgotten meanwhile
            pulled = pulls.waiting(conn, context.name)
        if pulled is None or pulled.path != name:
            durable.remove(path, "source.remove_rows")
            return
        hint = f"`driftd files {context.name}` says why: correct [models.{context.name}], or `driftd forget {name}`"
        if self._refused.get(name) == reading:
            raise Refused(f"{name} was refused, and nothing more is pulled", hint)
        seen = look(path)
        if isinstance(seen, Problem):
            raise Retry(f"{path}: {seen.reason}")
        if not self.has_disk(name):
            raise Retry("the disk has no room")
        taking = Taking(
            name, seen, DATABASE, lambda conn: pulls.settle(conn, context.name, name), at=path, by_name=True
        )
        taken = await take_file(context, taking)
        context.decision_needed.set()
        if taken is Taken.REFUSED:
            self._refused[name] = reading
            raise Refused(f"{name} was refused, and nothing more is pulled", hint)
        if taken is not Taken.ACCEPTED:
            raise Retry(f"{name} could not be taken in")
        durable.remove(path, "source.remove_rows")

    def _trim(self, source: SourceSettings) -> None:
        """Let go of rows that are taken in, and of digests of rows that are looked at no more."""
        context = self.context
        with context.shared.ledger.begin() as conn:
            known = [row for row in pulls.of_watermark(conn, context.name, source.watermark) if row.is_kept]
            pulls.let_go(conn, context.name, source.watermark, _passed(known, source.overlap))
            kept = pulls.kept(conn, context.name)
        for folder in context.folders.pulled.glob("*"):
            relative = str(folder.relative_to(context.folders.state))
            if relative not in kept:
                durable.remove(folder, "source.remove_folder")
            elif not kept[relative] and (folder / ROWS).exists():
                durable.remove(folder / ROWS, "source.remove_rows")

    def _log_failed(self, reason: str) -> None:
        if not self._failed:
            self._failing_since_s = time.monotonic()
        if reason != self._failed:
            self.context.log.warning("source_failed", reason=reason)
        self._failed = reason

    def _log_recovered(self) -> None:
        if self._failed:
            seconds = round(time.monotonic() - self._failing_since_s, 1)
            self.context.log.info("source_recovered", seconds=seconds)
        self._failed = ""


def _passed(known: Sequence[pulls.PullRow], overlap: float) -> list[int]:
    """The ids of those whose rows all lie before the overlap of the newest."""
    if not known:
        return []
    low = lowered(from_json(known[-1].value), overlap)
    return [row.id for row in known[:-1] if row.is_taken and _is_before(from_json(row.value), low)]


def _is_before(one: object, other: object) -> bool:
    """Whether a watermark is before another; no where they cannot be compared."""
    try:
        return bool(one < other)  # type: ignore[operator]
    except TypeError:
        return False
