"""The analysts of the service as one: a model's questions go to one process at a time, so that what takes long for one
model leaves another process to all others."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from structlog.contextvars import get_contextvars

from daemon.runtime.within import within
from daemon.runtime.worker.forks import Forks
from daemon.runtime.worker.process import Busy, Limits, Worker, ask_again
from retrain.operations import Request, Result

R = TypeVar("R", bound=Result)
SECOND_AFTER_S = 0.5
"""A question that waits for so long for the first process gets the second, which is started where there is none."""
IDLE_S = 120.0
"""One that had nothing to do for so long is ended: the second, whose libraries may take 200 MB, and the first as well
where it is a fork, since another one costs little."""


@dataclass
class Analysts:
    """Two processes, the second only while the first is busy for long; forks, if there are `forks`. Of one model, which
    is known by the log's context, only one works at a time. `fresh` is called before a process starts while no other
    works."""

    limits: Limits
    fresh: Callable[[], None] = lambda: None
    forks: Forks | None = None
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: dict[int, asyncio.TimerHandle] = field(default_factory=dict)
    _ending: "set[asyncio.Task[None]]" = field(default_factory=set)
    _warming: bool = False

    def __post_init__(self) -> None:
        self.first = Worker("analyst", self.limits, self._clear, forks=self.forks)
        self.second = Worker("analyst", self.limits, self._clear, forks=self.forks)

    @property
    def busy(self) -> Busy | None:
        """What has been worked on for the longest time."""
        found = [worker.busy for worker in (self.first, self.second) if worker.busy is not None]
        return min(found, key=lambda busy: busy.since, default=None)

    async def ask_again(self, request: Request[R], tries: int = 3) -> R:
        """As `Worker.ask_again`."""
        return await ask_again(self.call, request, tries)

    async def call(self, request: Request[R], timeout_s: float | None = None, limit: str = "") -> R:
        """As `Worker.call`, once no other question of the same model is worked on."""
        model = str(get_contextvars().get("model", ""))
        async with self._turns.setdefault(model, asyncio.Lock()):
            worker = await self._free()
            try:
                return await worker.call(request, timeout_s, limit)
            finally:
                self._freed.set()
                if worker is self.second or worker.is_forked:
                    self._end_when_idle(worker)

    async def warm(self, request: Request[Any]) -> None:
        """Have the first process load libraries, once it is free. A question that comes meanwhile waits for it: the
        second would have to load them as well."""
        while self.first.is_taken:
            self._freed.clear()
            await self._freed.wait()
        self._warming = True
        try:
            await self.first.call(request)
        finally:
            self._warming = False
            self._freed.set()

    async def close(self) -> None:
        """End both."""
        for timer in self._idle.values():
            timer.cancel()
        await self.first.close()
        await self.second.close()

    async def _free(self) -> Worker:
        """The first process once it is free; before that the second, if it is, after a moment."""
        until_s = time.monotonic() + SECOND_AFTER_S
        while True:
            if not self.first.is_taken:
                return self.first
            left_s = until_s - time.monotonic()
            if left_s <= 0 and not self.second.is_taken and not self._warming:
                return self.second
            with contextlib.suppress(TimeoutError):
                await within(self._freed.wait(), left_s if left_s > 0 else None)
            self._freed.clear()

    def _clear(self) -> None:
        """What a process that is gone left unfinished is told from another's work only while none works."""
        others = [worker for worker in (self.first, self.second) if worker.busy is not None]
        if len(others) <= 1:  # the one that starts
            self.fresh()

    def _end_when_idle(self, worker: Worker) -> None:
        if (timer := self._idle.get(id(worker))) is not None:
            timer.cancel()
        self._idle[id(worker)] = asyncio.get_running_loop().call_later(IDLE_S, self._end, worker)

    def _end(self, worker: Worker) -> None:
        if worker.is_taken:
            self._end_when_idle(worker)
        else:
            task = asyncio.ensure_future(worker.rest())
            self._ending.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._ending.discard(task)
        self._freed.set()
