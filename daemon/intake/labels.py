"""Labels that came through the server: finished segments of its spool become files of labels, each exactly once."""

import os
from collections.abc import Callable

from daemon.intake.take_in import Taken, Taking, take_file
from daemon.reading.look import Problem, look
from daemon.runtime.context import ModelContext
from daemon.runtime.spool import finished_segments
from retrain import durable


async def take_segments(context: ModelContext, has_disk: Callable[[str], bool]) -> tuple[int, bool]:
    """Take in the finished segments of the spool; how many, and whether the others are to be tried again later.

    A segment is removed after its labels are committed; a kill in between finds its content known and only
    removes it. What waits is asked for no more than there is disk for it.
    """
    taken = 0
    for path in finished_segments(context.folders.spool):
        seen = look(path)
        if isinstance(seen, Problem):
            continue
        relative = os.path.relpath(path, context.data_dir)
        if not has_disk(relative) or await take_file(context, Taking(relative, seen)) is Taken.LATER:
            return taken, True
        durable.remove(path, "labels.remove_segment")
        taken += 1
    return taken, False
