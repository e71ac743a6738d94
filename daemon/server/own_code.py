"""Deployments that run code of the user's, an adopted pipeline or a preparation: answered beside the event loop, each
in threads of its own, so that one that hangs costs its own requests alone.

A deployment computes one batch at a time; what arrives meanwhile is the next batch. A thread cannot be ended: what
does not end within the deadline is answered 503 and goes on, the next batch in the second thread."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from daemon.server.pools import Pool
from daemon.server.refusal import BadRequest
from daemon.server.served import ServedDeployment
from retrain.model.encoding import Cells
from retrain.records.predictions import Predictions

MOST_ROWS = 512
"""Rows of one batch, but for a request that has more."""
THREADS = 2


@dataclass(eq=False)
class Waiting:
    """A request's rows, and its answer to be."""

    rows: Sequence[Cells]
    answer: "asyncio.Future[Predictions]"


@dataclass(eq=False)
class _Queue:
    """What waits for one deployment, the threads that answer it, and the task that gives them work."""

    pool: Pool
    waiting: list[Waiting] = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None


class OwnCode:
    """Answers rows by deployments that run code of the user's. A request is refused with 503 after `deadline_s`, the
    wait for its turn included."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._queues: WeakKeyDictionary[ServedDeployment, _Queue] = WeakKeyDictionary()

    async def predict(self, served: ServedDeployment, rows: Sequence[Cells]) -> Predictions:
        """The predictions of `served`; BadRequest where they take too long."""
        queue = self._queues.get(served)
        if queue is None:
            pool = Pool(f"what {served.name} runs of your own code", THREADS, self._deadline_s)
            queue = self._queues[served] = _Queue(pool)
        one = Waiting(rows, asyncio.get_running_loop().create_future())
        queue.waiting.append(one)
        if queue.task is None:
            queue.task = asyncio.create_task(_work(queue, served))
        try:
            async with asyncio.timeout(self._deadline_s):
                return await one.answer
        except TimeoutError:
            raise queue.pool.overdue() from None

    def longest_s(self) -> float:
        """For how long the work that began first has been going on; 0 where none is."""
        return max((queue.pool.longest_s() for queue in self._queues.values()), default=0.0)

    def close(self) -> None:
        """Begin nothing more."""
        for queue in self._queues.values():
            queue.pool.close()


async def _work(queue: _Queue, served: ServedDeployment) -> None:
    try:
        while queue.waiting:
            batch = taken(queue.waiting)
            queue.waiting = queue.waiting[len(batch) :]
            await _answer(queue.pool, served, [one for one in batch if not one.answer.done()])
    finally:
        queue.task = None


def taken(waiting: Sequence[Waiting]) -> list[Waiting]:
    """The first that wait, with at most MOST_ROWS rows where they are several."""
    batch: list[Waiting] = []
    count = 0
    for one in waiting:
        count += len(one.rows)
        if batch and count > MOST_ROWS:
            break
        batch.append(one)
    return batch


async def _answer(pool: Pool, served: ServedDeployment, batch: Sequence[Waiting]) -> None:
    """Answer them by one call; where that fails each by its own, for one request's fault is not its neighbours'."""
    if not batch:
        return
    try:
        predictions = await pool.run(served.predict, [row for one in batch for row in one.rows])
    except Exception as error:
        if len(batch) == 1 or isinstance(error, BadRequest):
            fail(batch, error)
            return
        for one in batch:
            await _answer(pool, served, [one] if not one.answer.done() else [])
        return
    hand_out(batch, predictions)


def hand_out(batch: Sequence[Waiting], predictions: Predictions) -> None:
    """Each gets the answers to its rows."""
    start = 0
    for one in batch:
        if not one.answer.done():
            one.answer.set_result(predictions.take(slice(start, start + len(one.rows))))
        start += len(one.rows)


def fail(batch: Sequence[Waiting], error: Exception) -> None:
    """Each is told the same."""
    for one in batch:
        if not one.answer.done():
            one.answer.set_exception(error)
