"""Labels that came through the server: finished segments of its spool become files of labels, each exactly once."""

import os
from pathlib import Path

from daemon.control.context import ModelContext
from daemon.control.taking import Taken, Taking, take_file
from daemon.ingest.look import Problem, look
from daemon.spool import finished_segments
from retrain import effects


async def take_segments(context: ModelContext) -> int:
    """Take in the finished segments of the spool; the answer counts them.

    A segment is removed after its labels are committed; a kill in between finds its content known and only
    removes it.
    """
    taken = 0
    for segment in finished_segments(context.folders.spool):
        path = Path(segment)
        seen = look(path)
        if isinstance(seen, Problem):
            continue
        relative = os.path.relpath(path, context.data_dir)
        if await take_file(context, Taking(relative, seen)) is Taken.LATER:
            break
        effects.remove(path, "labels.remove_segment")
        taken += 1
    return taken
