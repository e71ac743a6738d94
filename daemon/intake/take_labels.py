"""A file of labels, or a segment of feedback, to its row in the ledger: joined with rows, compared with labels already
given, published, committed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from daemon.cycles.classes import ask_for_cycle, log_new_classes, waiting_for_rows, withheld_classes
from daemon.cycles.cpu import record_spent
from daemon.cycles.suspicion import contradictions, record_label_doubts
from daemon.intake.joining import joined_labels, joined_share, warn_of_few
from daemon.intake.record import digest_of, entry, log_accepted, publish, quality_of
from daemon.intake.set_apart import CHANGES, set_apart, sha256_apart
from daemon.intake.taking import Taking
from daemon.ledger import files, models
from daemon.reading.operations import JoinResult, TakeResult
from daemon.runtime.context import ModelContext
from retrain import durable
from retrain.records.new_classes import NewClass


async def accept_labels(context: ModelContext, taking: Taking, sha256: str, result: TakeResult) -> None:
    """Publish and commit what the analyst made of a file of labels. Of feedback, the labels that contradict are a file
    of their own."""
    dropped = taking.is_dropped
    joined = await joined_labels(context, result.snapshot, result.schema, dropped)
    async with context.check_lock:
        with context.shared.ledger.connect() as conn:
            waited = waiting_for_rows(conn, context)
        found = await contradictions(context, taking.path, result.snapshot, result.schema)
        divided = () if dropped else await set_apart(context, result, found.places)
        parts = (
            await _parts(context, taking.path, divided) if divided else [_part(context, taking.path, result, joined)]
        )
        published = [publish(context, sha256, part.result) for part in parts]
        await context.shared.writable()
        with context.shared.ledger.begin(durable=True) as conn:
            if result.inferred:
                models.save_schema(conn, context.name, result.schema.to_json())
            digests = sha256, sha256_apart(sha256)
            rows = [
                _record(conn, context, taking, digest, part, *names)
                for digest, part, names in zip(digests, parts, published, strict=False)
            ]
            taking.also(conn)
            record_spent(conn, context)
            held = record_label_doubts(conn, context, rows[-1], found)
            ask_for_cycle(conn, context, waited)
    durable.crash_point("control.file_committed")
    for part in parts:
        log_accepted(context, part.path, part.result, part.joined)
        log_new_classes(context.log.bind(file=part.path), context.name, part.withheld, part.result.class_rows)
    if joined is not None:
        warn_of_few(context, taking.path, joined, dropped)
    held.log_to(context.log)


@dataclass(frozen=True)
class _Part:
    """A file of labels, or a part of it, under its name in the ledger: how many of its labels found a row, and the
    classes of which they do not count."""

    path: str
    result: TakeResult
    joined: JoinResult | None
    withheld: tuple[NewClass, ...]

    @property
    def share(self) -> float:
        """Of its labels that may teach."""
        return joined_share(self.joined)


async def _parts(context: ModelContext, path: str, divided: Sequence[TakeResult]) -> list[_Part]:
    """Those of a segment of feedback, each with its own numbers."""
    found = [(one, await joined_labels(context, one.snapshot, one.schema, False)) for one in divided]
    return [_part(context, path + CHANGES * place, *one) for place, one in enumerate(found)]


def _part(context: ModelContext, path: str, result: TakeResult, joined: JoinResult | None) -> _Part:
    rows = files.scaled(result.class_rows, joined_share(joined))
    with context.shared.ledger.connect() as conn:
        withheld = withheld_classes(conn, context.name, context.settings, context.folders.versions, rows)
    return _Part(path, result, joined, withheld)


def _record(
    conn: Connection,
    context: ModelContext,
    taking: Taking,
    sha256: str,
    part: _Part,
    snapshot: Path,
    quarantine: Path | None,
) -> files.FileRow:
    """A part's row in the ledger."""
    quality = quality_of(part.result, part.withheld, part.joined)
    taken = entry(context, part.result, snapshot, quarantine, quality, part.share)
    return files.record_accepted(
        conn, context.name, part.path, taking.seen, sha256, taken, context.now(), taking.source,
        digest_of(context, part.result),
    )  # fmt: skip
