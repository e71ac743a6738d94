"""Labels that came through the server: finished segments of its spool become files of labels, each exactly once."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from daemon.config.uploads import POSTED, of_files
from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.ledger import uploads
from daemon.reading.look import Problem, look
from daemon.runtime.context import ModelContext
from daemon.runtime.spool import begun_at, finished_segments
from retrain import durable


async def take_segments(context: ModelContext, has_disk: Callable[[str], bool]) -> tuple[int, bool]:
    """Take in the finished segments of the spool; how many, and whether the others are to be tried again later.

    A segment is removed after its labels are committed; a kill in between finds its name and content known and only
    removes it. What waits is asked for no more than there is disk for it.
    """
    taken = 0
    for path in finished_segments(context.folders.spool):
        seen, uploaded = look(path), of_files(POSTED, context.name, [path.name])
        if isinstance(seen, Problem):
            if uploaded:  # what comes after it counts for it, too
                return taken, True
            continue
        name = segment_name(path)
        taking = Taking(name, seen, at=path, by_name=True, also=partial(uploads.record, segments=uploaded))
        if not has_disk(name) or await take_file(context, taking) is Taken.LATER:
            return taken, True
        durable.remove(path, "labels.remove_segment")
        taken += 1
    return taken, False


def segment_name(segment: Path) -> str:
    """What a segment is called among the data files: by when it was begun, and by the server's process.

    >>> segment_name(Path("state/spool/m/1735689600500000000-4711-1.jsonl"))
    'labels/2025-01-01T000000.500000Z-4711-1'
    """
    begun = datetime.fromtimestamp(begun_at(segment), UTC)
    return f"labels/{begun.strftime('%Y-%m-%dT%H%M%S.%fZ')}-{segment.stem.partition('-')[2]}"
