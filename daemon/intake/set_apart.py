"""Labels that contradict others are set apart from what else was said in the same minute: a segment of feedback has the
labels of many clients, and who sends wrong ones does not hold those of others."""

import hashlib
from pathlib import Path

import msgspec

from daemon.reading.operations import LabelsPart, SplitRequest, TakeResult
from daemon.runtime.context import ModelContext

CHANGES = "-changes"
"""What follows a segment's name in that of the labels set apart."""


async def set_apart(context: ModelContext, result: TakeResult, places: list[int]) -> tuple[TakeResult, ...]:
    """Divide a segment by the places of the labels that change others: the rest, and these; nothing where either is all
    of it. WorkerError where that fails."""
    if not places or len(places) >= result.rows:
        return ()
    target = result.schema.target
    work = context.folders.intake
    request = SplitRequest(snapshot=result.snapshot, places=places, target=target, task=result.schema.task, work=work)
    found = await context.shared.analyst.call(request)
    result.snapshot.unlink(missing_ok=True)
    changes = _of(result, found.changes)
    nothing = {"rejected": 0, "rejects": [], "quarantine": None}
    return _of(result, found.rest), msgspec.structs.replace(changes, **nothing)


def sha256_apart(sha256: str) -> str:
    """The digest under which the part that was set apart of a content is known."""
    return hashlib.sha256(f"{sha256}{CHANGES}".encode()).hexdigest()


def _of(result: TakeResult, part: LabelsPart) -> TakeResult:
    return msgspec.structs.replace(
        result, snapshot=Path(part.snapshot), snapshot_digest=part.digest, rows=part.rows,
        labelled_rows=part.rows, class_rows=part.class_rows,
    )  # fmt: skip
