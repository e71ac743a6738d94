"""Concurrent requests answered by one call of the model, without a timer: nobody waits for a batch to fill.

All requests that the event loop read in one turn are together in the next; what arrives while the model computes is
together in the turn after that. A single request is alone at once."""

import asyncio
from collections.abc import Sequence

from daemon.server.own_code import OwnCode
from daemon.server.pools import Pool
from daemon.server.served import ServedDeployment
from retrain.model.encoding import Cells
from retrain.records.predictions import Predictions

MOST_ROWS = 512
BIG_ROWS = 1_000


class Batcher:
    """Answers rows; one for a server process. `pool` has the threads for many rows, `own` those for code of the
    user's."""

    def __init__(self, pool: Pool, own: OwnCode) -> None:
        self._waiting: list[tuple[ServedDeployment, Sequence[Cells], asyncio.Future[Predictions]]] = []
        self._scheduled = False
        self._pool, self._own = pool, own

    async def predict(self, served: ServedDeployment, rows: Sequence[Cells]) -> Predictions:
        """The predictions of `served` for rows; many rows are computed beside the event loop."""
        if len(rows) > BIG_ROWS:
            return await self._pool.run(served.predict, rows)
        if served.runs_own_code:
            return await self._own.predict(served, rows)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Predictions] = loop.create_future()
        self._waiting.append((served, rows, future))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return await future

    def _flush(self) -> None:
        """Answer those that wait, at most MOST_ROWS rows of one deployment in this turn."""
        served, count, taken = self._waiting[0][0], 0, 0
        for entry in self._waiting:
            if entry[0] is not served or (taken and count + len(entry[1]) > MOST_ROWS):
                break
            count, taken = count + len(entry[1]), taken + 1
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            asyncio.get_running_loop().call_soon(self._flush)
        if taken == 1:
            _answer(served, *batch[0][1:])
            return
        try:
            predictions = served.predict([row for _, rows, _ in batch for row in rows])
        except Exception:
            for _, rows, future in batch:  # one request's fault is not its neighbours'
                _answer(served, rows, future)
            return
        start = 0
        for _, rows, future in batch:
            if not future.cancelled():
                future.set_result(predictions.take(slice(start, start + len(rows))))
            start += len(rows)


def _answer(served: ServedDeployment, rows: Sequence[Cells], future: asyncio.Future[Predictions]) -> None:
    if future.cancelled():
        return
    try:
        future.set_result(served.predict(rows))
    except Exception as error:
        future.set_exception(error)
