"""A file of labels, or a segment of feedback, to its row in the ledger: joined with rows, compared with labels already
given, published, committed."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from daemon.cycles.classes import log_new_classes, withheld_classes
from daemon.cycles.cpu import record_spent
from daemon.cycles.suspicion import contradictions, record_label_doubts
from daemon.intake.joining import joined_labels, joined_share, warn_of_few
from daemon.intake.record import digest_of, entry, log_accepted, publish, quality_of
from daemon.intake.set_apart import CHANGES, Parts, set_apart, sha256_apart
from daemon.intake.taking import Taking
from daemon.ledger import due, files, models
from daemon.reading.operations import JoinResult, TakeResult
from daemon.runtime.context import ModelContext
from retrain import durable
from retrain.records.new_classes import NewClass


async def accept_labels(context: ModelContext, taking: Taking, sha256: str, result: TakeResult) -> None:
    """Publish and commit what the analyst made of a file of labels. Of feedback, the labels that contradict are a file
    of their own."""
    dropped = taking.at is None
    joined = await joined_labels(context, result.snapshot, result.schema, dropped)
    class_rows = files.scaled(result.class_rows, joined_share(joined))
    async with context.check_lock:
        with context.shared.ledger.connect() as conn:
            of_model = conn, context.name, context.settings, context.folders.versions
            waited = {one.name for one in withheld_classes(*of_model) if one.approved}
            withheld = withheld_classes(*of_model, class_rows)
        found = await contradictions(context, taking.path, result.snapshot, result.schema)
        parts = Parts(result) if dropped else await set_apart(context, result, found.places)
        await context.shared.writable()
        commit = _Commit(context, taking, sha256, withheld, joined)
        published = [(part, *publish(context, sha256, part)) for part in parts.files]
        with context.shared.ledger.begin(durable=True) as conn:
            if result.inferred:
                models.save_schema(conn, context.name, result.schema.to_json())
            rows = [commit.record(conn, *one, apart=place > 0) for place, one in enumerate(published)]
            taking.also(conn)
            record_spent(conn, context)
            held = record_label_doubts(conn, context, rows[-1], found)
            if waited - {one.name for one in withheld} and not held.reason:
                due.add(conn, context.name, "manual", context.now())  # an approved class has its rows
    durable.crash_point("control.file_committed")
    log_accepted(context, taking.path, parts.rest, joined)
    if joined is not None:
        warn_of_few(context, taking.path, joined, dropped)
    log_new_classes(context.log.bind(file=taking.path), context.name, withheld, result.class_rows)
    held.log_to(context.log)


@dataclass(frozen=True)
class _Commit:
    """What is known of a file of labels and its parts."""

    context: ModelContext
    taking: Taking
    sha256: str
    withheld: tuple[NewClass, ...]
    joined: JoinResult | None

    def record(
        self, conn: Connection, part: TakeResult, snapshot: Path, quarantine: Path | None, apart: bool
    ) -> files.FileRow:
        """A part's row in the ledger; `apart`: of those labels that contradict others."""
        context, taking = self.context, self.taking
        path, sha256 = taking.path + CHANGES * apart, sha256_apart(self.sha256) if apart else self.sha256
        quality = quality_of(part, self.withheld, None if apart else self.joined)
        taken = entry(context, part, snapshot, quarantine, quality, 1.0 if apart else joined_share(self.joined))
        return files.record_accepted(
            conn, context.name, path, taking.seen, sha256, taken, context.now(), taking.source,
            digest_of(context, part),
        )  # fmt: skip
