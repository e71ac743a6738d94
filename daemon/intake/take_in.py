"""One settled file, from its bytes to its row in the ledger: hash, parse, publish, check, commit, log.

Nothing of it counts before the commit: a kill before it leaves only files under names that carry their digest,
which the next attempt finds or replaces.
"""

import time
import traceback
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from daemon.cycles.checks import check_snapshots, record_check
from daemon.cycles.classes import (
    ask_for_cycle,
    known_classes,
    log_new_classes,
    withheld_before_and_with,
)
from daemon.cycles.schemas import current_schema, reading_digest
from daemon.cycles.suspicion import record_doubts, suspect_file
from daemon.intake.hanging import FolderHung, answers, unless_hung
from daemon.intake.joining import join_earlier_labels
from daemon.intake.record import digest_of, entry, log_accepted, publish, quality_of
from daemon.intake.take_labels import accept_labels
from daemon.intake.taking import Taken, Taking
from daemon.ledger import files, models
from daemon.reading.operations import DigestRequest, TakeRequest, TakeResult
from daemon.runtime.context import ModelContext
from daemon.runtime.forgotten import marks_in
from daemon.runtime.worker.process import WorkerError
from drift.notation import counted
from retrain import durable
from retrain.operations import Request, Result
from retrain.records.new_classes import odd_spellings

R = TypeVar("R", bound=Result)
ALL_FORGOTTEN = "all its rows are of people who are forgotten"
NEWEST_EVENTS = 3
"""Files of events of each source that a file of items is compared with."""
SMALLER = "; try it in smaller files, or touch it to have it read again"
MOST_DEATHS = 5
"""A file that ended the analyst, or failed in ways that nobody thought of, so many times is refused: other models'
files wait for it."""


async def take_file(context: ModelContext, taking: Taking) -> Taken:
    """Take one settled file in; the answer says whether it is dealt with or to be tried again."""
    async with context.turns.shared():
        return await _take_file(context, taking)


async def _take_file(context: ModelContext, taking: Taking) -> Taken:
    path = taking.at or context.place_of(taking.path)
    root = None if taking.at else context.root_of(taking.path)
    log = context.log.bind(file=taking.path)
    try:
        most_bytes = context.settings.limits.max_file
        look_at = DigestRequest(path=path, recent=taking.recent, root=root, most_bytes=most_bytes)
        content = await _read(context, taking, look_at)
        if content.writing:
            log.info("file_unfinished", reason=content.writing)
            return Taken.UNFINISHED
        digest = taking.digest(content.sha256)
        await context.shared.writable()
        with context.shared.ledger.connect() as conn:
            original = files.by_content(conn, context.name, digest)
            if original is None:
                classes = _odd_classes(conn, context)
                forgotten = marks_in(conn, context.shared.config.paths, context.name)
        if original is not None:
            _record_duplicate(context, taking, digest, original)
            return Taken.DUPLICATE
        request = TakeRequest(
            path=path, schema=current_schema(context), settings=context.settings, work=context.folders.intake,
            classes=classes, items=taking.items, chosen=_newest(context) if taking.items else (),
            root=root, config_dir=context.shared.config.path.parent, forgotten=forgotten,
        )  # fmt: skip
        most_s = context.settings.limits.read_time
        await accept(context, taking, digest, await _read(context, taking, request, most_s))
        return Taken.ACCEPTED
    except FolderHung as error:
        log.warning("file_delayed", reason=str(error))
        return Taken.HUNG
    except WorkerError as error:
        reason, deaths = error.message, 0
        if error.kind in ("died", "failed"):
            deaths = context.deaths[taking.path, taking.seen] = context.deaths.get((taking.path, taking.seen), 0) + 1
            reason = f"{reason}, {counted(deaths, 'time')} so far"
            if deaths >= MOST_DEATHS:
                reason += SMALLER
        elif error.kind == "late":
            reason += SMALLER
        if error.kind in ("refused", "late") or deaths >= MOST_DEATHS:
            try:
                await context.shared.writable()
                if error.message.startswith(ALL_FORGOTTEN):
                    leave_out(context, taking)
                    return Taken.ACCEPTED
                refuse(context, taking, reason)
                return Taken.REFUSED
            except OperationalError as failure:
                reason = str(failure)
    except (OSError, OperationalError) as error:
        reason = str(error)
    except Exception as error:  # one file must never stand before all others
        reason = tell_failure(context, log, error)
    log.warning("file_delayed", reason=reason)
    return Taken.LATER


def tell_failure(context: ModelContext, log: Any, error: Exception) -> str:
    """Log what nobody thought of, the same one now and then; the reason why its file is delayed."""
    same = context.failures.count(error, time.monotonic())
    if same.is_due:
        trace = {"traceback": traceback.format_exc()} if same.times == 1 else {}
        log.error("part_failed", part="intake", error=repr(error), times=same.times, **trace)
    return repr(error)


async def _read(context: ModelContext, taking: Taking, request: Request[R], most_s: float | None = None) -> R:
    """What the analyst answers of a file, given as much time as `limits.read_time` says; FolderHung where what takes
    long is the data folder."""
    asked = context.shared.analyst.call(request, most_s, "limits.read_time")
    if taking.at is not None:  # in the state folder
        return await asked
    place, looking = context.place_of(taking.path), context.shared.looking
    try:
        return await unless_hung(looking, place, asked)
    except WorkerError as error:
        if error.kind == "late" and not await answers(looking, place):
            raise FolderHung(f"{place.parent} does not answer") from None
        raise


def _odd_classes(conn: Connection, context: ModelContext) -> tuple[str, ...]:
    """Known classes that the analyst would write otherwise."""
    known = known_classes(conn, context.name, context.settings, context.folders.versions)
    return tuple(odd_spellings(known.learned | known.approved).values())


def _newest(context: ModelContext) -> tuple[Path, ...]:
    """Snapshots of the newest events, which a file of items must fit."""
    with context.shared.ledger.connect() as conn:
        rows = files.newest_usable(conn, context.name, NEWEST_EVENTS)
    return tuple(context.folders.state / row.snapshot for row in rows if row.kind == "rows")


async def accept(context: ModelContext, taking: Taking, digest: str, result: TakeResult) -> None:
    """Publish what the analyst made of a file, check it, and commit all that is known of it at once."""
    if result.kind == "labels":
        await accept_labels(context, taking, digest, result)
        return
    snapshot, quarantine = publish(context, digest, result)
    check, doubts, earlier = None, [], list[tuple[Any, int]]()
    if result.kind == "rows" and result.rows > result.labelled_rows:
        earlier = await join_earlier_labels(context, snapshot, result.schema, taking.path)
    async with context.check_lock:
        with context.shared.ledger.connect() as conn:
            waited, withheld = withheld_before_and_with(conn, context, result.class_rows)
        if result.kind == "rows":
            check = await check_snapshots(context, "file", [snapshot], withheld)
            doubts = await suspect_file(context, taking.path, taking.source, snapshot, check, result.schema)
        quality = quality_of(result, withheld, None)
        await context.shared.writable()
        with context.shared.ledger.begin(durable=True) as conn:
            if result.inferred:
                models.save_schema(conn, context.name, result.schema.to_json())
            row = files.record_accepted(
                conn, context.name, taking.path, taking.seen, digest,
                entry(context, result, snapshot, quarantine, quality), context.now(), taking.source,
                digest_of(context, result),
            )  # fmt: skip
            for labels, count in earlier:
                files.joined_later(conn, labels, count)
            taking.also(conn)
            recorded = record_check(conn, context, "file", check, row.id) if check is not None else None
            held = record_doubts(conn, context, row, doubts)
            ask_for_cycle(conn, context, waited)
    durable.crash_point("control.file_committed")
    log_accepted(context, taking.path, result, None)
    log_new_classes(context.log.bind(file=taking.path), context.name, withheld, result.class_rows)
    if recorded is not None:
        recorded.log_to(context.log.bind(file=taking.path))
    held.log_to(context.log)


def _record_duplicate(context: ModelContext, taking: Taking, digest: str, original: files.FileRow) -> None:
    """This content was taken already: only its name is recorded."""
    with context.shared.ledger.begin() as conn:
        files.record_duplicate(conn, context.name, taking.path, taking.seen, digest, original, context.now())
        taking.also(conn)
    if original.path != taking.path:
        context.log.info("file_duplicate", file=taking.path, duplicate_of=original.path)


def leave_out(context: ModelContext, taking: Taking) -> None:
    """Commit that nothing of a file is for us, and log it."""
    with context.shared.ledger.begin() as conn:
        refused = (conn, context.name, taking.path, taking.seen, ALL_FORGOTTEN, context.now(), taking.source)
        files.record_refused(*refused, reading_digest(context))
        files.forget(conn, context.name, taking.path)
        taking.also(conn)
    context.log.info("forgotten_rows_dropped", file=taking.path, reason=ALL_FORGOTTEN)


def refuse(context: ModelContext, taking: Taking, reason: str) -> None:
    """Commit that a file is beyond repair, and log why."""
    with context.shared.ledger.begin() as conn:
        files.record_refused(
            conn, context.name, taking.path, taking.seen, reason, context.now(), taking.source, reading_digest(context)
        )
        taking.also(conn)
    context.log.warning("file_refused", file=taking.path, reason=reason)
