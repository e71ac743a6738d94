"""What of the ledger's history may go: found by reading, let go of a few hundred rows at a time."""

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, or_, select, update

from daemon.ledger.tables import (
    assessments,
    checks,
    commands,
    cycles,
    due,
    events,
    files,
    hooks,
    outbox,
    rejects,
    stages,
    versions,
)
from daemon.ledger.totals import newest_seq

BATCH = 500
PAGE = 5_000
LOOKED_BACK = 5_000
NEWEST_CHECKS = 100
FINISHED = ("promoted", "kept", "failed")
Old = tuple[tuple[Table, ColumnElement[bool]], ...]
"""Tables, and which of their rows may go."""
SPENT_REPORT: dict[str, Any] = {"columns": [], "outputs": [], "drift": False, "notes": ["beyond retention.reports"]}


def accepted(conn: Connection, model: str) -> Iterator[Any]:
    """Accepted and held files of rows, but those of live traffic, that have a snapshot, the newest first."""
    columns = files.c.id, files.c.seq, files.c.sha256, files.c.at, files.c.rows, files.c.labelled_rows, files.c.snapshot
    newest = func.coalesce(files.c.last_time, files.c.at).label("newest")
    alike = files.c.model == model, files.c.kind == "rows", files.c.source != "traffic", files.c.snapshot.is_not(None)
    query = select(*columns, newest).where(*alike, files.c.state.in_(("accepted", "held")))
    return iter(conn.execute(query.order_by(files.c.seq.desc()), execution_options={"yield_per": PAGE}))


def expire(conn: Connection, ids: Sequence[int]) -> None:
    """These files' rows leave every window; what is known of them stays, and their snapshots go at the next time."""
    chosen = files.c.id.in_(ids), files.c.state.in_(("accepted", "held"))
    conn.execute(update(files).where(*chosen).values(state="expired", reason="beyond retention.snapshots"))


def spent_labels(conn: Connection, model: str, margin_s: float) -> Sequence[int]:
    """Files of labels that came so long before every file of rows that there still is: whose labels they are is gone.
    The margin is for labels that come before their rows."""
    usable = files.c.model == model, files.c.state.in_(("accepted", "held"))
    first = conn.scalar(select(func.min(files.c.at)).where(*usable, files.c.kind == "rows"))
    if first is None:
        return ()
    query = select(files.c.id).where(*usable, files.c.kind == "labels", files.c.at < first - margin_s)
    return conn.scalars(query).all()


def forgettable(conn: Connection, model: str, before: float) -> list[tuple[int, str]]:
    """Files from before a moment of which nothing is left but their rows in the ledger: id and path. None that a check,
    a reject or a duplicate still names, that a person forgot, or that is looked back to."""
    old = files.c.model == model, files.c.at < before, files.c.snapshot.is_(None)
    spent = files.c.state.in_(("expired", "superseded", "refused", "duplicate"))
    passed = or_(files.c.seq.is_(None), files.c.seq < newest_seq(conn, model) - LOOKED_BACK)
    copies = files.alias()
    unnamed = [~select(c.id).where(c.file_id == files.c.id).exists() for c in (checks.c, rejects.c)]
    original = ~select(copies.c.id).where(copies.c.duplicate_of == files.c.id).exists()
    query = select(files.c.id, files.c.path).where(*old, spent, passed, *unnamed, original)
    return [(row.id, row.path) for row in conn.execute(query.order_by(files.c.id)).all()]


def left_snapshots(conn: Connection, model: str, before: float = -inf) -> list[tuple[int, str, str, bool]]:
    """Of files that teach nobody any more: id, snapshot, digest, and whether no other file that may teach has the same
    one. Expired ones at once, superseded and forgotten ones once they are old."""
    wanted = files.c.model == model, files.c.snapshot.is_not(None)
    old = files.c.state.in_(("superseded", "forgotten")) & (files.c.at < before)
    states = files.c.state.in_(("expired", "superseded", "forgotten"))
    query = select(files.c.id, files.c.snapshot, files.c.sha256).where(*wanted, states)
    found = []
    for row in conn.execute(query.where(or_(files.c.state == "expired", old)).limit(PAGE)).all():
        others = files.c.model == model, files.c.snapshot == row.snapshot, files.c.id != row.id
        shared = conn.scalar(select(func.count()).where(*others, files.c.state.in_(("accepted", "held"))))
        found.append((row.id, row.snapshot, row.sha256, not shared))
    return found


def old_predictions(conn: Connection, model: str, before: float) -> list[tuple[int, str]]:
    """Checks with kept predictions from before a moment, but for the newest hundred: id and path."""
    wanted = *_old_checks(conn, model, before), checks.c.predictions.is_not(None)
    query = select(checks.c.id, checks.c.predictions).where(*wanted).order_by(checks.c.id)
    return [(row.id, row.predictions) for row in conn.execute(query)]


def forget_predictions(conn: Connection, ids: Sequence[int]) -> None:
    """The files are gone."""
    conn.execute(update(checks).where(checks.c.id.in_(ids)).values(predictions=None))


def old_quarantine(conn: Connection, model: str, before: float) -> list[tuple[int, str]]:
    """Files with rejected rows from before a moment: id and digest."""
    has_some = select(rejects.c.id).where(rejects.c.file_id == files.c.id).exists()
    wanted = files.c.model == model, files.c.rejected > 0, files.c.at < before, files.c.sha256.is_not(None)
    kept = or_(files.c.quarantine.is_not(None), has_some)
    query = select(files.c.id, files.c.sha256).where(*wanted, kept).order_by(files.c.id)
    return [(row.id, row.sha256) for row in conn.execute(query)]


def forget_quarantine(conn: Connection, ids: Sequence[int]) -> None:
    """Their rejected rows are gone; how many there were stays."""
    conn.execute(delete(rejects).where(rejects.c.file_id.in_(ids)))
    conn.execute(update(files).where(files.c.id.in_(ids)).values(quarantine=None))


def long_reports(conn: Connection, model: str, before: float, named: frozenset[int]) -> list[int]:
    """Checks that found nothing, from before a moment, whose report is still whole; none that a cycle names."""
    long = func.length(checks.c.report) > len(str(SPENT_REPORT)) + 20
    query = select(checks.c.id).where(*_old_checks(conn, model, before), checks.c.drift.is_(False), long)
    return [check for check in conn.scalars(query.order_by(checks.c.id)) if check not in named]


def spend_reports(conn: Connection, ids: Sequence[int]) -> None:
    """Only what a check came to is kept of it."""
    conn.execute(update(checks).where(checks.c.id.in_(ids)).values(report=SPENT_REPORT))


def named_checks(conn: Connection) -> frozenset[int]:
    """The checks that cycles were opened for."""
    found: set[int] = set()
    for trigger in conn.scalars(select(cycles.c.trigger)):
        evidence = trigger["evidence"]
        found |= {*evidence.get("checks", ()), *([evidence["check"]] if "check" in evidence else ())}
    return frozenset(found)


def old_checks(conn: Connection, model: str, before: float, named: frozenset[int]) -> list[int]:
    """Checks from before a moment, but for the newest hundred and those that a cycle names."""
    query = select(checks.c.id).where(*_old_checks(conn, model, before)).order_by(checks.c.id)
    return [check for check in conn.scalars(query) if check not in named]


def old_of_model(conn: Connection, model: str, before: float) -> Old:
    """From before a moment: assessments of files that are not looked back to, never the proposal; and stages of cycles
    that ended and left no version that is stored."""
    passed = assessments.c.seq < newest_seq(conn, model) - LOOKED_BACK
    stored = select(versions.c.cycle_id).where(versions.c.state == "stored", versions.c.cycle_id.is_not(None))
    over = cycles.c.model == model, cycles.c.state.in_(FINISHED), cycles.c.finished_at < before
    ended = select(cycles.c.id).where(*over, cycles.c.id.not_in(stored))
    return (
        (assessments, and_(assessments.c.model == model, assessments.c.at < before, passed)),
        (stages, stages.c.cycle_id.in_(ended)),
    )


def old_of_service(before: float) -> Old:
    """From before a moment: log events; commands, messages and hooks that were dealt with; what was due and done."""
    return (
        (events, events.c.at < before),
        (commands, and_(commands.c.state != "queued", commands.c.at < before)),
        (due, and_(due.c.done_at.is_not(None), due.c.due_at < before)),
        (outbox, and_(outbox.c.state != "waiting", outbox.c.at < before)),
        (hooks, and_(hooks.c.state != "waiting", hooks.c.at < before)),
    )


def ids(conn: Connection, table: Table, old: ColumnElement[bool]) -> Sequence[int]:
    """The rows of a table that may go."""
    return conn.scalars(select(table.c.id).where(old)).all()


def remove(conn: Connection, table: Table, ids: Sequence[int]) -> None:
    """Let go of rows by their ids."""
    conn.execute(delete(table).where(table.c.id.in_(ids)))


def _old_checks(conn: Connection, model: str, before: float) -> tuple[ColumnElement[bool], ...]:
    """Conditions: a check from before a moment, and none of the newest hundred."""
    query = select(checks.c.id).where(checks.c.model == model).order_by(checks.c.id.desc())
    newest = conn.scalar(query.offset(NEWEST_CHECKS).limit(1)) or 0
    return checks.c.model == model, checks.c.started_at < before, checks.c.id <= newest
