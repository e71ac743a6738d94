"""Whether late labels find their rows: asked of the analyst for each file of labels, kept with it, and warned of."""

import time
from pathlib import Path
from typing import Any

import msgspec

from daemon.ledger import files
from daemon.reading.operations import JoinLaterRequest, JoinRequest, JoinResult
from daemon.runtime.context import ModelContext
from daemon.runtime.worker.process import WorkerError
from retrain.records.schema import Schema

FILES, FEEDBACK_FILES = 1_000, 50
"""So many of the newest files of rows are looked through for the ids of a dropped file, and of feedback."""
ROWS, FEEDBACK_ROWS = 20_000_000, 2_000_000
"""And in no more files than hold so many rows."""
UNJOINED_FILES = 200
"""So many of the newest files of labels wait for rows that come after them."""
FEW = 0.5
"""A smaller share of labels that join is warned of."""
QUIET_S = 3600.0
"""Between two warnings about feedback."""


async def joined_labels(context: ModelContext, snapshot: Path, schema: Schema, dropped: bool) -> JoinResult | None:
    """How many of a file's labels find a row; None where nothing tells."""
    key = schema.id_column
    if key is None:
        return None
    with context.shared.ledger.connect() as conn:
        usable = files.newest_usable(conn, context.name, FILES if dropped else FEEDBACK_FILES)
    looked_at = FILES if dropped else FEEDBACK_FILES
    rows = tuple(context.folders.state / row.snapshot for row in reversed(usable) if row.kind == "rows")
    try:
        found = await context.shared.analyst.ask_again(
            JoinRequest(
                labels=snapshot, rows=rows, id_column=key, kind=schema.column(key).kind, target=schema.target,
                most_rows=ROWS if dropped else FEEDBACK_ROWS,
            )
        )  # fmt: skip
        return msgspec.structs.replace(found, complete=found.complete and len(rows) < looked_at)
    except WorkerError as error:
        context.log.warning("labels_not_counted", reason=error.message)
        return None


def joined_share(found: JoinResult | None) -> float:
    """The share of a file's labels that may teach: those that joined, and all where not every row was looked at."""
    return 1.0 if found is None or not found.complete or not found.labels else found.joined / found.labels


async def join_earlier_labels(
    context: ModelContext, snapshot: Path, schema: Schema, path: str
) -> list[tuple[Any, int]]:
    """Files of labels that came before these rows, each with how many of its labels are theirs."""
    key = schema.id_column
    if key is None:
        return []
    with context.shared.ledger.connect() as conn:
        waiting = files.unjoined(conn, context.name, UNJOINED_FILES)
    if not waiting:
        return []
    labels = tuple(context.folders.state / row.snapshot for row in waiting)
    request = JoinLaterRequest(
        labels=labels, rows=snapshot, id_column=key, kind=schema.column(key).kind, target=schema.target
    )
    try:
        found = (await context.shared.analyst.ask_again(request)).found
    except WorkerError as error:
        context.log.warning("labels_not_counted", file=path, reason=error.message)
        return []
    return [(row, count) for row, count in zip(waiting, found, strict=True) if count]


def warn_of_few(context: ModelContext, path: str, found: JoinResult, dropped: bool) -> None:
    """Warn where few labels join, or where it is plain why some do not."""
    few = found.joined < FEW * found.labels
    now_s = time.monotonic()
    if not (few or found.hint) or (not dropped and now_s < context.unjoined_again_s):
        return
    if not dropped:
        context.unjoined_again_s = now_s + QUIET_S
    later = (
        "where rows come after their labels" if dropped else "where answers are no data file yet (prediction_log.every)"
    )
    reason = found.hint or f"no row has their ids; {later}, these join then"
    context.log.warning(
        "labels_unjoined", file=path, labels=found.labels, joined=found.joined, alike=found.alike,
        reason=f"{found.joined:,} of {found.labels:,} labels joined: {reason}",
    )  # fmt: skip
