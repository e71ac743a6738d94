"""Files that look poisoned are held before they teach anything; a doubt that persists is a new normal."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from daemon.cycles.assessments import files_in_reach
from daemon.cycles.checks import AnalystCheck
from daemon.ledger import files, labels, totals
from daemon.runtime.context import ModelContext
from daemon.runtime.worker.process import WorkerError
from retrain.operations import ContradictRequest, ContradictResult, JudgedFile, SuspectRequest
from retrain.planning.release import Retelling, labels_let_in, let_in
from retrain.records.schema import Schema
from retrain.records.schema_change import shape_digest

RECENT_FILES = 6
REPEATS = "duplicated_rows"


@dataclass(frozen=True)
class Held:
    """What was committed: `path`, of so many rows, is held for `reason`, or let in with the `released` ones, and the
    kinds of doubt."""

    path: str
    rows: int
    kinds: tuple[str, ...]
    reason: str
    released: tuple[str, ...]

    def log_to(self, log: Any) -> None:
        """Log what became of the file and of those before it."""
        if self.reason:
            log.warning(
                "file_held", file=self.path, rows=self.rows, kinds=self.kinds, reason=self.reason,
                release=f"driftd release {self.path}", forget=f"driftd forget {self.path}",
            )  # fmt: skip
        for path in self.released:
            log.info("file_released", file=path, kinds=self.kinds, files=len(self.released) + 1)


def record_doubts(conn: Connection, context: ModelContext, row: files.FileRow, doubts: list[dict[str, Any]]) -> Held:
    """Hold the file, or let it in together with the held ones before it, in the caller's transaction."""
    kinds = tuple(doubt["kind"] for doubt in doubts)
    if not kinds:
        return Held(row.path, row.rows, (), "", ())
    after = context.settings.suspicion.release_after
    newest = files.newest_rows(conn, context.name, after, ("accepted", "held"), sources=(row.source,))
    before = [one for one in newest if one.id != row.id]
    agree = let_in([doubted(one) for one in before], kinds, after)
    return _decided(conn, row, doubts, None if agree is None else [before[place] for place in agree], {})


def record_label_doubts(conn: Connection, context: ModelContext, row: files.FileRow, found: ContradictResult) -> Held:
    """Hold a file of labels that contradicts labels already given, or let it in with the held ones that agree with it,
    in the caller's transaction. What else retells labels is noted, too: it interrupts those who agree."""
    if not found.retold:
        return Held(row.path, row.rows, (), "", ())
    new = Retelling(totals.newest_number(conn, context.name), found.leaves)
    noted = {"retold": found.retold, "changed": found.changed, **asdict(new)}
    before, agree = [], list[int]() if not found.doubts else None
    if found.doubts:
        before = files.retelling(conn, context.name, row.id)
        told = [Retelling(one.quality["retold"]["rows_before"], one.quality["retold"]["leaves"]) for one in before]
        agree = labels_let_in(told, new, context.settings.suspicion.release_after)
    agreeing = None if agree is None else [before[place] for place in agree]
    return _decided(conn, row, found.doubts, agreeing, {"retold": noted})


def _decided(
    conn: Connection,
    row: files.FileRow,
    doubts: list[dict[str, Any]],
    agreeing: list[files.FileRow] | None,
    noted: dict[str, Any],
) -> Held:
    """Write down that a new file is held, or, where there are `agreeing` ones or none is needed, that these are in."""
    reason = "; ".join(doubt["reason"] for doubt in doubts) if agreeing is None else ""
    files.hold_new(conn, row, doubts, reason, noted)
    freed = [one for one in agreeing or () if one.state == "held"]
    for one in freed:
        files.let_in(conn, one.id)
    kinds = tuple(doubt["kind"] for doubt in doubts)
    return Held(row.path, row.rows, kinds, reason, tuple(one.path for one in freed))


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
        context.spent_s["checks"] += error.cpu_s
        context.log.error("suspicion_failed", file=path, reason=error.message)
        return []
    context.spent_s["checks"] += result.cpu_s
    return result.doubts


async def contradictions(context: ModelContext, path: str, snapshot: Path, schema: Schema) -> ContradictResult:
    """What speaks against a new file of labels beside those already given; nothing where that failed, or where nobody
    asks."""
    suspicion, now = context.settings.suspicion, context.now()
    if not suspicion.hold_labels or schema.id_column is None:
        return ContradictResult(doubts=[])
    with context.shared.ledger.connect() as conn:
        listed = files_in_reach(context, conn, labels.load(conn, context.name), now)
        replaced = files.newest_seq_at(conn, context.name, path)
    told = [row for row in listed if row.seq != replaced]
    request = ContradictRequest(
        labels=snapshot, files=context.accepted(told, (), {}), schema=schema, settings=context.settings, now=now
    )
    try:
        result = await context.shared.analyst.ask_again(request)
    except WorkerError as error:
        context.spent_s["checks"] += error.cpu_s
        context.log.error("suspicion_failed", file=path, reason=error.message)
        return ContradictResult(doubts=[])
    context.spent_s["checks"] += result.cpu_s
    return result
