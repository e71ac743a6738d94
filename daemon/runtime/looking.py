"""Threads that look at data folders. A folder may hang for ever, as a dead mount does: nobody else waits for it."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
AT_ONCE = 4
"""So many looks at a time, as long as they end."""
TURN_S = 5.0
"""One that takes longer lets another begin beside it. With every one that does, turns are shorter: behind a hundred
folders that hang a look waits for less than twice as long."""
HUNG_S = 30.0
"""One that takes longer is told."""


class Looking:
    """Looks, each in a thread; there are AT_ONCE, and one more for each look that hangs. A thread cannot be ended, and
    unlike those of an executor none of these keeps the process from ending."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._given: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock, self._idle = threading.Lock(), 0
        self._outlasting = 0

    async def run(self, work: Callable[..., T], *arguments: Any, hung: Callable[[], None] | None = None) -> T:
        """What the work returns; `hung` is called once where it takes longer than HUNG_S."""
        await self._turns.acquire()
        try:
            answer = asyncio.wrap_future(self._begin(partial(work, *arguments)))
            is_done = await _ends_within(answer, self.turn_s)
        finally:
            self._turns.release()
        return answer.result() if is_done else await self._outlasted(answer, hung)

    @property
    def turn_s(self) -> float:
        """For how long a look that begins now keeps others from theirs."""
        return TURN_S / (1 + self._outlasting)

    async def _outlasted(self, answer: "asyncio.Future[T]", hung: Callable[[], None] | None) -> T:
        self._outlasting += 1
        try:
            if hung is not None and not await _ends_within(answer, HUNG_S - TURN_S):
                hung()
            return await answer
        finally:
            self._outlasting -= 1

    def _begin(self, work: Callable[[], T]) -> "Future[T]":
        future: Future[T] = Future()
        self._given.put((future, work))
        with self._lock:
            self._idle -= 1
            is_short = self._idle < 0
            self._idle += is_short
        if is_short:
            threading.Thread(target=self._work, name="looking at data folders", daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            future, work = self._given.get()
            settle: Callable[[], object] = future.cancel
            if future.set_running_or_notify_cancel():
                try:
                    settle = partial(future.set_result, work())
                except BaseException as error:
                    settle = partial(future.set_exception, error)
            with self._lock:
                self._idle += (
                    1  # before anybody hears of it: who hears may begin the next look, and needs no new thread
                )
            settle()
            del future, work, settle


async def _ends_within(answer: "asyncio.Future[Any]", timeout_s: float) -> bool:
    try:
        done, _ = await asyncio.wait({answer}, timeout=timeout_s)
    except asyncio.CancelledError:
        answer.cancel()
        raise
    return bool(done)
