"""What the ledger keeps of a file that was taken in, its files under their lasting names, and what is logged of it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from daemon.cycles.schemas import current_schema
from daemon.ledger import files
from daemon.reading.operations import JoinResult, TakeResult
from daemon.runtime.context import ModelContext
from daemon.runtime.publish import publish_made
from retrain.operations import to_json
from retrain.records.new_classes import NewClass
from retrain.records.schema_change import shape_digest


def publish(context: ModelContext, sha256: str, result: TakeResult) -> tuple[Path, Path | None]:
    """The snapshot, and the rejects if there are any, under their lasting names."""
    snapshot, quarantine = context.folders.snapshot(result.snapshot_digest), None
    try:
        if result.quarantine is not None:
            quarantine = publish_made(result.quarantine, context.folders.rejects(sha256), "intake.publish_rejects")
        publish_made(result.snapshot, snapshot, "intake.publish")
    except OSError:
        result.snapshot.unlink(missing_ok=True)
        raise
    return snapshot, quarantine


def quality_of(result: TakeResult, withheld: Iterable[NewClass], joined: JoinResult | None) -> dict[str, Any]:
    """What is odd about the file's rows, with what its labels come to."""
    unknown = {one.name: result.class_rows[one.name] for one in withheld if one.name in result.class_rows}
    told: dict[str, Any] = {"withheld_classes": unknown, "joined": None if joined is None else to_json(joined)}
    told |= {"forgotten": result.forgotten}
    return result.quality | {key: value for key, value in told.items() if value}


def entry(
    context: ModelContext,
    result: TakeResult,
    snapshot: Path,
    quarantine: Path | None,
    quality: dict[str, Any],
    share: float = 1.0,
) -> dict[str, Any]:
    """As the ledger keeps it: with paths below the state folder, and of labels the share that found its row."""
    state = context.folders.state
    rejects = None if quarantine is None else str(quarantine.relative_to(state))
    if share < 1:
        quality = quality | {"label_classes": result.class_rows}
    counted = {
        "labelled_rows": round(share * result.labelled_rows),
        "class_rows": files.scaled(result.class_rows, share),
    }
    return (
        to_json(result)
        | counted
        | {"snapshot": str(snapshot.relative_to(state)), "quarantine": rejects, "quality": quality}
    )


def digest_of(context: ModelContext, result: TakeResult) -> str | None:
    """Of the whole schema by which a file was read; labels come with a part of it."""
    schema = result.schema if result.inferred else current_schema(context)
    return None if schema is None else shape_digest(schema)


def log_accepted(context: ModelContext, path: str, result: TakeResult, joined: JoinResult | None) -> None:
    """Log what a file came to."""
    log = context.log.bind(file=path)
    if result.inferred:
        columns = {c.name: c.kind for c in result.schema.columns}
        formats = result.schema.formats.to_json()
        log.info("schema_inferred", columns=columns, formats=formats, not_learned=result.not_learned)
    for reason in result.quality["unclear"]:
        column = (reason.split("'") * 2)[1]  # the first name in quotes, or the reason itself
        if column not in context.unclear:  # what is so in one file is so in all
            context.unclear.add(column)
            log.warning("formats_unclear", reason=reason)
    more: dict[str, Any] = {} if joined is None else {"joined": joined.joined}
    more |= {key: result.quality[key] for key in ("hint", "notes") if result.quality[key]}
    log.info(
        "file_accepted", kind=result.kind, rows=result.rows, labelled_rows=result.labelled_rows,
        rejected=result.rejected, **more,
    )  # fmt: skip
    if result.forgotten:
        log.info("forgotten_rows_dropped", rows=result.forgotten)
    if result.rejected:
        hint = {"hint": result.quality["advice"]} if result.quality["advice"] else {}
        log.warning("rows_quarantined", rows=result.rejected, first=next(iter(result.rejects), {}), **hint)
