"""What a reader of a replay should know about its data."""

from typing import Any

from daemon.tools.replay.record import Run
from daemon.tools.replay.source import Source
from daemon.tools.replay.subject import Request
from drift.notation import counted

FEW_ROWS = 100
MANY = 0.5
TOLD = 5


def source_notes(source: Source, policy: dict[str, Any], request: Request) -> list[str]:
    """Rejected rows, short batches, batches without a score, columns that are not learned from, late labels."""
    notes = []
    if source.rejected:
        notes.append(f"{counted(source.rejected, 'row', 'were')} set aside as not valid")
    shortest = min(batch.rows for batch in source.batches)
    if shortest < FEW_ROWS:
        notes.append(
            f"the shortest batch has {counted(shortest, 'row')}: under {FEW_ROWS} scores are noise; "
            + ("give longer files" if len(request.files) > 1 else "try fewer --batches")
        )
    bare = sum(batch.labelled_rows == 0 for batch in source.batches)
    if bare:
        notes.append(f"{counted(bare, 'batch', 'have')} no labels: they are served and checked, not scored")
    undefined = sum(score is None for score in policy["scores"][request.initial :]) - bare
    if undefined > 0:
        notes.append(
            f"{counted(undefined, 'batch', 'have')} no score: the metric is undefined there, as with one class only"
        )
    notes += _ignored(source) + _new_classes(source)
    served, delay = len(source.batches) - request.initial, request.times.delay
    if delay >= MANY * served:
        notes.append(f"labels come {counted(delay, 'batch')} late: for most of this history nothing can be learned")
    notes += source.notes
    if len(request.files) > 1 and request.batches != len(source.batches):
        notes.append(f"{counted(len(request.files), 'file')}: a batch each")
    return notes


def repeated_notes(run: Run) -> list[str]:
    """Which rows the newest training took for delivered twice, and which only look alike."""
    return [f"newest training: {note}" for note in run.prepared if " equal another " in note]


def _new_classes(source: Source) -> list[str]:
    """The classes that nobody approved, as in the service."""
    if not source.withheld:
        return []
    told = "; ".join(one.sentence() for one in source.withheld[:TOLD])
    more = f"; and {len(source.withheld) - TOLD} more" if len(source.withheld) > TOLD else ""
    count = sum(one.rows for one in source.withheld)
    way_out = (
        "" if all(one.meant for one in source.withheld) else "; --approve-classes replays as if they were approved"
    )
    return [f"{counted(count, 'label', 'do')} not count, in the service neither: {told}{more}{way_out}"]


def _ignored(source: Source) -> list[str]:
    schema = source.schema
    apart = {schema.target, schema.time_column, schema.id_column}
    names = [column.name for column in schema.columns if not column.feature and column.name not in apart]
    if not names:
        return []
    told = [f"{name} ({reason})" if (reason := source.not_learned.get(name)) else name for name in names[:TOLD]]
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return [f"not learned from: {', '.join(told)}{more}"]
