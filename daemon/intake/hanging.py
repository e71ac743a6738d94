"""A file that is being read while its folder hangs, as on a dead mount: the analyst is needed by others."""

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from daemon.runtime.looking import HUNG_S, Looking
from daemon.runtime.within import within

T = TypeVar("T")
LOOK_S = 10.0
"""A file that takes longer to read has its folder asked whether it answers, so often."""


class FolderHung(Exception):
    """The folder of a file does not answer."""


async def unless_hung(looking: Looking, path: Path, reading: Coroutine[Any, Any, T]) -> T:
    """What the analyst makes of a file; FolderHung, and the reading is ended, where the file's folder does not answer
    for HUNG_S meanwhile."""
    asked, hung = asyncio.ensure_future(reading), asyncio.ensure_future(_until_hung(looking, path))
    try:
        await asyncio.wait({asked, hung}, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return asked.result()
        raise FolderHung(f"{path.parent} does not answer")
    finally:
        asked.cancel()
        hung.cancel()
        await asyncio.gather(asked, hung, return_exceptions=True)


async def answers(looking: Looking, path: Path) -> bool:
    """Whether the file system of a file answers within HUNG_S, and be it with an error. Its free space is kept by no
    cache, unlike what is known of the file."""
    try:
        await within(looking.run(os.statvfs, path), HUNG_S)
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


async def _until_hung(looking: Looking, path: Path) -> None:
    await asyncio.sleep(LOOK_S)
    while await answers(looking, path):
        await asyncio.sleep(LOOK_S)
