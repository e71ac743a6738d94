"""Commands that wait for others, receivers of notifications or a database: done beside the queue, so that it goes on
meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any


class Beside:
    """Tasks by the id of their command."""

    def __init__(self) -> None:
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._failed: list[BaseException] = []

    def begin(self, command: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin a command, unless it is under way."""
        if command not in self._tasks:
            task = self._tasks[command] = asyncio.create_task(work())
            task.add_done_callback(partial(self._ended, command))

    def _ended(self, command: int, task: "asyncio.Task[None]") -> None:
        del self._tasks[command]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed.append(error)

    @property
    def has_failed(self) -> bool:
        """Whether one ended with an error that nobody has seen."""
        return bool(self._failed)

    def look(self) -> None:
        """Raise such an error; its command is queued still."""
        if self._failed:
            raise self._failed.pop()

    async def cancel(self) -> None:
        """End all that is under way; it is done at the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
