"""Files that look poisoned are held before they teach anything; a doubt that persists is a new normal."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from daemon.cycles.checks import AnalystCheck
from daemon.ledger import files
from daemon.runtime.context import ModelContext
from daemon.runtime.worker.process import WorkerError
from retrain.operations import JudgedFile, SuspectRequest
from retrain.planning.release import persistent
from retrain.records.schema import Schema
from retrain.records.schema_change import shape_digest

RECENT_FILES = 6
REPEATS = "duplicated_rows"


@dataclass(frozen=True)
class Held:
    """What was committed: `path` is held for `reason`, or let in with the `released` ones, and the kinds of doubt."""

    path: str
    kinds: tuple[str, ...]
    reason: str
    released: tuple[str, ...]

    def log_to(self, log: Any) -> None:
        """Log what became of the file and of those before it."""
        if self.reason:
            log.warning(
                "file_held", file=self.path, kinds=self.kinds, reason=self.reason,
                release=f"driftd release {self.path}", forget=f"driftd forget {self.path}",
            )  # fmt: skip
        for path in self.released:
            log.info("file_released", file=path, kinds=self.kinds, files=len(self.released) + 1)


def record_doubts(conn: Connection, context: ModelContext, row: files.FileRow, doubts: list[dict[str, Any]]) -> Held:
    """Hold the file, or let it in together with the held ones before it, in the caller's transaction."""
    kinds = tuple(doubt["kind"] for doubt in doubts)
    if not kinds:
        return Held(row.path, (), "", ())
    after = context.settings.suspicion.release_after
    newest = files.newest_rows(conn, context.name, after, ("accepted", "held"), sources=(row.source,))
    before = [one for one in newest if one.id != row.id][-(after - 1) :] if after > 1 else []
    normal = persistent([*map(doubted, before), kinds], after)
    reason = "" if set(kinds) <= normal else "; ".join(doubt["reason"] for doubt in doubts)
    files.hold_new(conn, row, doubts, reason)
    freed = [one for one in before if not reason and one.state == "held" and set(doubted(one)) <= normal]
    for one in freed:
        files.let_in(conn, one.id)
    return Held(row.path, kinds, reason, tuple(one.path for one in freed))


def doubted(row: files.FileRow) -> tuple[str, ...]:
    """The kinds of doubt that a file raised when it came."""
    return tuple(doubt["kind"] for doubt in (row.quality or {}).get("doubts", ()))


async def suspect_file(
    context: ModelContext, path: str, source: str, snapshot: Path, check: AnalystCheck | None, schema: Schema
) -> list[dict[str, Any]]:
    """The analyst's doubts about a new file of rows, [{"kind", "reason", "numbers"}], beside the newest accepted ones;
    none where it failed.

    Events are not doubted: they are a set, in which nothing counts twice, and each user counts once an item. Clients
    may send a row twice, and rows that were sent are often dropped later with their labels: live traffic is not
    doubted for rows that repeat, and a dropped file is compared with dropped ones only."""
    if not context.settings.suspicion.hold or context.settings.task == "recommendation":
        return []
    state, live = context.folders.state, source == "traffic"
    with context.shared.ledger.connect() as conn:
        beside = () if live else (source,)
        recent = files.newest_rows(conn, context.name, RECENT_FILES, ("accepted",), but=path, sources=beside)
    digest, predicted = shape_digest(schema), None if check is None else check.predictions

    def judged(name: str, snapshot: Path, predictions: str | None) -> JudgedFile:
        where = None if predictions is None else state / predictions
        return JudgedFile(name=name, snapshot=snapshot, predictions=where)

    request = SuspectRequest(
        file=judged("it", snapshot, predicted),
        recent=tuple(
            judged(row.path, state / row.snapshot, row.predictions)
            for row in recent
            if row.schema_digest in (None, digest)
        ),
        schema=schema,
        settings=context.settings,
        ignore_kinds=(REPEATS,) if live else (),
    )
    try:
        result = await context.shared.analyst.ask_again(request)
    except WorkerError as error:
        context.log.error("suspicion_failed", file=path, reason=error.message)
        return []
    context.spent_s["checks"] += result.cpu_s
    return result.doubts
