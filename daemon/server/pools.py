"""Threads for each kind of work that may take longer than the event loop can wait: one kind never waits for another.

A thread cannot be ended. Work that does not end within its deadline is answered 503 and goes on; where it never ends,
the server's heart stops, and control starts another one."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from daemon.server.refusal import BadRequest

T = TypeVar("T")
MOST_WAITING = 1_024


class Pool:
    """So many threads for one kind of work, of which at most `most_given` is under way or waits. What takes longer than
    `deadline_s`, the wait for its turn included, is refused; None for no deadline."""

    def __init__(
        self, name: str, threads: int, deadline_s: float | None = None, most_given: int = MOST_WAITING
    ) -> None:
        self.name, self._deadline_s, self._most_given = name, deadline_s, most_given
        self._threads = ThreadPoolExecutor(threads, name)
        self._begun: dict[int, float] = {}
        self.given = 0

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """What the work returns; BadRequest 503 where too much waits or it takes too long."""
        with self.place():
            return await self.run_in_place(work, *arguments)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place that is kept until it is left, for work that is given later; BadRequest 503 where too much is under
        way or waits."""
        if self.given >= self._most_given:
            raise BadRequest(f"too much waits for {self.name}", 503, {"retry-after": "1"})
        self.given += 1
        try:
            yield
        finally:
            self.given -= 1

    async def run_in_place(self, work: Callable[..., T], *arguments: Any) -> T:
        """The same as `run`, of who has a `place`."""
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, self._timed, work, arguments)
            async with asyncio.timeout(self._deadline_s):
                return await future
        except TimeoutError:
            raise self.overdue() from None

    def overdue(self) -> BadRequest:
        """What is answered where the deadline is over."""
        return BadRequest(f"{self.name} did not end within {self._deadline_s:g} s", 503, {"retry-after": "10"})

    def longest_s(self) -> float:
        """For how long the work that began first has been going on; 0 where none is."""
        begun = min(self._begun.copy().values(), default=None)
        return 0.0 if begun is None else time.monotonic() - begun

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _timed(self, work: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        thread = threading.get_ident()
        self._begun[thread] = time.monotonic()
        try:
            return work(*arguments)
        finally:
            del self._begun[thread]


class Turns:
    """Lets at most `at_once` be under way; who waits longer than `patience_s` is refused."""

    def __init__(self, at_once: int, patience_s: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._patience_s = patience_s

    async def __aenter__(self) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._free.acquire()
        except TimeoutError:
            reason = f"large requests before this one took longer than {self._patience_s:g} s"
            raise BadRequest(reason, 503, {"retry-after": "10"}) from None

    async def __aexit__(self, *_: object) -> None:
        self._free.release()
