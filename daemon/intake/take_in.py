"""One settled file, from its bytes to its row in the ledger: hash, parse, publish, check, commit, tell.

Nothing of it counts before the commit: a kill before it leaves only files under names that carry their digest,
which the next attempt finds or replaces.
"""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from daemon.cycles.checks import check_snapshots, record_check
from daemon.cycles.schemas import current_schema
from daemon.cycles.suspicion import Suspicion, suspect_file
from daemon.ledger import files, models
from daemon.reading.look import Look
from daemon.runtime.context import ModelContext
from daemon.runtime.worker.process import WorkerError
from retrain import durable
from retrain.records.schema import Schema
from retrain.records.schema_change import shape_digest


class Taken(Enum):
    """What became of a settled file."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REFUSED = "refused"
    LATER = "later"


@dataclass(frozen=True)
class Taking:
    """A settled file: its path within the data folder, and the look that two looks agreed on. One that was made of live
    traffic lies nowhere: its path is its name, and `also` is committed with it."""

    path: str
    seen: Look
    source: str = "folder"
    also: Callable[[Connection], None] = lambda _conn: None


async def take_file(context: ModelContext, taking: Taking) -> Taken:
    """Take one settled file in; the answer says whether it is dealt with or to be tried again."""
    path = context.data_dir / taking.path
    log = context.log.bind(file=taking.path)
    try:
        sha256 = (await context.shared.analyst.call("digest", {"path": str(path)}))["sha256"]
        if _duplicate(context, taking, sha256):
            return Taken.DUPLICATE
        await accept(context, taking, sha256, await context.shared.analyst.call("take", _arguments(context, path)))
        return Taken.ACCEPTED
    except WorkerError as error:
        reason = error.message
        if error.kind == "refused":
            return _refused_or_later(context, taking, reason)
    except (OSError, OperationalError) as error:
        reason = str(error)
    except Exception as error:  # one file must never stand before all others
        same = context.failures.saw(error, time.monotonic())
        if same.tell:
            trace = {"traceback": traceback.format_exc()} if same.times == 1 else {}
            log.error("part_failed", part="intake", error=repr(error), times=same.times, **trace)
        reason = repr(error)
    log.warning("file_delayed", reason=reason)
    return Taken.LATER


async def accept(context: ModelContext, taking: Taking, sha256: str, result: dict[str, Any]) -> None:
    """Publish what the analyst made of a file, check it, and commit all that is known of it at once."""
    snapshot = context.folders.snapshot(result["snapshot_digest"])
    try:
        if result["quarantine"]:
            rejects = context.folders.rejects(sha256)
            publish_made(result["quarantine"], rejects, "intake.publish_rejects")
            result = result | {"quarantine": str(rejects.relative_to(context.folders.state))}
        publish_made(result["snapshot"], snapshot, "intake.publish")
    except OSError:
        Path(result["snapshot"]).unlink(missing_ok=True)
        raise
    suspicion = Suspicion(())
    async with context.judging:
        check = await check_snapshots(context, "file", [snapshot]) if result["kind"] == "rows" else None
        if result["kind"] == "rows":
            suspicion = await suspect_file(context, taking.path, taking.source, snapshot, check, result["schema"])
        with context.shared.ledger.begin(durable=True) as conn:
            if result["inferred"]:
                models.save_schema(conn, context.name, result["schema"])
            row = files.record_accepted(
                conn, context.name, taking.path, taking.seen, sha256,
                result | {"snapshot": str(snapshot.relative_to(context.folders.state))}, context.now(), taking.source,
                _digest(context, result),
            )  # fmt: skip
            taking.also(conn)
            recorded = record_check(conn, context, "file", check, row.id) if check is not None else None
            held = suspicion.record(conn, context, row)
    durable.crash_point("control.file_committed")
    _tell(context, taking, result)
    if recorded is not None:
        recorded.tell(context.log.bind(file=taking.path))
    held.tell(context.log)


def _arguments(context: ModelContext, path: Path) -> dict[str, Any]:
    schema = current_schema(context)
    return {
        "model": context.name,
        "path": str(path),
        "schema": schema.to_json() if schema is not None else None,
        "settings": context.settings_json(),
        "work": str(context.folders.intake),
    }


def _digest(context: ModelContext, result: dict[str, Any]) -> str | None:
    """Of the whole schema by which a file was read; labels come with a part of it."""
    schema = Schema.from_json(result["schema"]) if result["inferred"] else current_schema(context)
    return None if schema is None else shape_digest(schema)


def publish_made(made: str, final: Path, point: str) -> Path:
    """Publish what the analyst made; where that fails, nothing of it stays."""
    try:
        durable.publish_file(Path(made), final, point)
    except OSError:
        Path(made).unlink(missing_ok=True)
        raise
    return final


def _duplicate(context: ModelContext, taking: Taking, sha256: str) -> bool:
    """Whether this content was taken already; then only its name is recorded."""
    with context.shared.ledger.begin() as conn:
        original = files.by_content(conn, context.name, sha256)
        if original is None:
            return False
        files.record_duplicate(conn, context.name, taking.path, taking.seen, sha256, original, context.now())
    if original.path != taking.path:
        context.log.info("file_duplicate", file=taking.path, duplicate_of=original.path)
    return True


def refuse(context: ModelContext, taking: Taking, reason: str) -> None:
    """Commit that a file is beyond repair, and tell why."""
    with context.shared.ledger.begin() as conn:
        files.record_refused(conn, context.name, taking.path, taking.seen, reason, context.now(), taking.source)
        taking.also(conn)
    context.log.warning("file_refused", file=taking.path, reason=reason)


def _refused_or_later(context: ModelContext, taking: Taking, reason: str) -> Taken:
    try:
        refuse(context, taking, reason)
    except OperationalError as error:
        context.log.warning("file_delayed", file=taking.path, reason=str(error))
        return Taken.LATER
    return Taken.REFUSED


def _tell(context: ModelContext, taking: Taking, result: dict[str, Any]) -> None:
    log = context.log.bind(file=taking.path)
    if result["inferred"]:
        columns = {c["name"]: c["kind"] for c in result["schema"]["columns"]}
        log.info("schema_inferred", columns=columns)
    log.info(
        "file_accepted", kind=result["kind"], rows=result["rows"], labelled_rows=result["labelled_rows"],
        rejected=result["rejected"], **({"hint": result["quality"]["hint"]} if result["quality"]["hint"] else {}),
    )  # fmt: skip
    if result["rejected"]:
        first = result["rejects"][0] if result["rejects"] else {}
        log.warning("rows_quarantined", rows=result["rejected"], first=first)
