"""The prediction log on disk: finished segments of the servers become its Parquet files, each row once, and the oldest
files go when there are too many."""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from daemon.config.uploads import LOGGED, of_files
from daemon.cycles.schemas import logged_schema
from daemon.ledger import cycles, prediction_log, retention, uploads
from daemon.reading.operations import ConvertRequest
from daemon.runtime.context import ModelContext
from daemon.runtime.forgotten import marks_of
from daemon.runtime.publish import publish_made
from daemon.runtime.spool import finished_segments
from retrain import durable
from retrain.operations import to_json
from retrain.records.cycle import CycleState, Stage

MOST_BYTES = 32 * 2**20


def waiting_segments(context: ModelContext) -> list[Path]:
    """Finished segments whose rows are in no file yet; the others are left of a kill and removed."""
    segments = finished_segments(context.folders.log_spool)
    if not segments:
        return []
    with context.shared.ledger.connect() as conn:
        known = prediction_log.recorded(conn, context.name, [segment.name for segment in segments])
    for segment in segments:
        if segment.name in known:
            durable.remove(segment, "prediction_log.remove_segment")
    return [segment for segment in segments if segment.name not in known]


async def convert_segments(context: ModelContext) -> int:
    """Turn all finished segments into files of the log; how many rows these have. WorkerError where it cannot be."""
    return sum([await _convert(context, group) for group in _groups(waiting_segments(context))])


async def _convert(context: ModelContext, segments: Sequence[Path]) -> int:
    """One file of the log: published, committed, and only then its segments removed."""
    schema = logged_schema(context)
    assert schema is not None, "who answered has a version, and that a schema"
    request = ConvertRequest(
        segments=tuple(segments), schema=schema, work=context.folders.intake, forgotten=marks_of(context)
    )
    result = await context.shared.analyst.call(request)
    uploaded = of_files(LOGGED, context.name, [segment.name for segment in segments])
    if result.path is None and uploaded:
        await context.shared.writable()
        with context.shared.ledger.begin() as conn:
            uploads.record(conn, uploaded)
    if result.path is not None:
        begun = datetime.fromtimestamp(result.first_time, UTC).strftime("%Y-%m-%dT%H%M%SZ")
        final = context.folders.logged / f"{begun}-{result.digest[:16]}.parquet"
        publish_made(result.path, final, "prediction_log.publish")
        relative = str(final.relative_to(context.folders.state))
        await context.shared.writable()
        with context.shared.ledger.begin(durable=True) as conn:
            names = [segment.name for segment in segments]
            prediction_log.record(conn, context.name, relative, names, to_json(result), context.now())
            uploads.record(conn, uploaded)
        durable.crash_point("prediction_log.committed")
        context.log.debug("predictions_logged", file=relative, rows=result.rows, torn=result.torn)
    for segment in segments:
        durable.remove(segment, "prediction_log.remove_segment")
    return result.rows


def _groups(segments: Sequence[Path]) -> list[list[Path]]:
    """Segments that become one file: together at most 32 MB, unless one alone is longer."""
    groups: list[list[Path]] = []
    total = 0
    for segment in segments:
        size = segment.stat().st_size
        if not groups or total + size > MOST_BYTES:
            groups.append([])
            total = 0
        groups[-1].append(segment)
        total += size
    return groups


def trim(context: ModelContext) -> None:
    """Let the oldest files go until the log, and the data files made of it, are within `prediction_log.keep`; never
    while a cycle reads its rows, and snapshots only at the next time."""
    ledger, keep = context.shared.ledger, context.settings.prediction_log.keep
    with ledger.connect() as conn:
        cycle = cycles.current(conn, context.name)
        if cycle is not None and cycle.state is CycleState.OPEN and cycle.stage is Stage.PREPARE:
            return
    _remove_snapshots(context)
    with ledger.begin(durable=True) as conn:
        units = prediction_log.units(conn, context.name)
        total, gone = sum(unit.bytes for unit in units), []
        for unit in units:
            if total <= keep or unit.pending:
                break
            prediction_log.expire(conn, context.name, unit)
            gone.append(unit)
            total -= unit.bytes
    durable.crash_point("prediction_log.trimmed")
    rows = [row for unit in gone for row in unit.rows]
    for row in rows:
        durable.remove(context.folders.state / row.path, "prediction_log.remove_file")
    if gone:
        count, size = sum(row.rows for row in rows), sum(unit.bytes for unit in gone)
        context.log.info("predictions_expired", files=len(rows), rows=count, bytes=size)


def sweep(context: ModelContext) -> None:
    """Remove files of the log that a kill left without their row in the ledger."""
    with context.shared.ledger.connect() as conn:
        known = prediction_log.paths(conn, context.name)
    for path in context.folders.logged.glob("*.parquet"):
        if str(path.relative_to(context.folders.state)) not in known:
            durable.remove(path, "prediction_log.remove_orphan")


def _remove_snapshots(context: ModelContext) -> None:
    """Of data files that expired at an earlier time: their snapshots, and what was predicted for them."""
    state, ledger = context.folders.state, context.shared.ledger
    with ledger.connect() as conn:
        unused = retention.left_snapshots(conn, context.name)
    for file_id, snapshot, _, alone in unused:
        if alone:
            durable.remove(state / snapshot, "prediction_log.remove_snapshot")
            for path in context.folders.predictions.glob(f"{Path(snapshot).stem}.*"):
                with contextlib.suppress(FileNotFoundError):
                    durable.remove(path, "prediction_log.remove_predictions")
        with ledger.begin() as conn:
            prediction_log.snapshot_removed(conn, file_id)
