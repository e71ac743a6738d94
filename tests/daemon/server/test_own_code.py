"""Code of the user's in a server: what hangs or fails costs its own requests alone. No daemon."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from daemon.server.own_code import MOST_ROWS, OwnCode
from daemon.server.refusal import BadRequest
from retrain.records.errors import Refused
from retrain.records.predictions import Predictions

PATIENCE_S = 30.0
Row = tuple[float]


class Deployment:
    """Answers each row with its number, after the user's code had it."""

    name = "v0001-aaaaaaaa"

    def __init__(self, code: Callable[[Sequence[Row]], None]) -> None:
        self._code = code
        self.calls: list[int] = []

    def predict(self, rows: Sequence[Row]) -> Predictions:
        """One number a row."""
        self.calls.append(len(rows))
        self._code(rows)
        return Predictions(np.array([row[0] for row in rows]))


def fine(rows: Sequence[Row]) -> None:
    """Code that does nothing wrong."""


def test_code_that_hangs_is_answered_and_nobody_else_waits():
    """A request that hangs is a 503 at its deadline; another deployment and the event loop answer meanwhile, and so
    does the same deployment afterwards, by its second thread; that a thread never ends is known."""
    never = threading.Event()

    def hangs(rows: Sequence[Row]) -> None:
        if rows[0] == (13.0,):
            never.wait(PATIENCE_S)

    async def story() -> None:
        own, bad, good = OwnCode(3.0), Deployment(hangs), Deployment(fine)
        try:
            hung = asyncio.create_task(own.predict(bad, [(13.0,)]))
            await asyncio.sleep(0)
            assert (await own.predict(good, [(1.0,), (2.0,)])).values.tolist() == [1.0, 2.0]
            with pytest.raises(BadRequest, match=r"your own code did not end within 3 s") as refused:
                await hung
            assert refused.value.status == 503
            assert (await own.predict(bad, [(4.0,)])).values.tolist() == [4.0]
            assert own.longest_s() > 3.0
        finally:
            never.set()
            own.close()

    asyncio.run(story())


def test_what_arrives_meanwhile_is_one_batch_and_a_bad_row_costs_its_own_request():
    """Requests that wait are answered by one call, each with its own rows; where that fails each is asked alone."""
    begun, go_on = threading.Event(), threading.Event()

    def refuses(rows: Sequence[Row]) -> None:
        begun.set()
        go_on.wait(PATIENCE_S)
        if (13.0,) in rows:
            raise Refused("no such number")

    async def story() -> None:
        own, served = OwnCode(PATIENCE_S), Deployment(refuses)
        first = asyncio.create_task(own.predict(served, [(0.0,)]))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        others = [asyncio.create_task(own.predict(served, [(one,), (one + 1,)])) for one in (1.0, 13.0, 5.0)]
        large = asyncio.create_task(own.predict(served, [(0.0,)] * MOST_ROWS))
        await asyncio.sleep(0)
        go_on.set()
        assert (await first).values.tolist() == [0.0]
        good, bad, last = await asyncio.gather(*others, return_exceptions=True)
        assert isinstance(bad, Refused)
        assert [one.values.tolist() for one in (good, last)] == [[1.0, 2.0], [5.0, 6.0]]
        assert len(await large) == MOST_ROWS
        assert served.calls == [1, 6, 2, 2, 2, MOST_ROWS]
        own.close()

    asyncio.run(story())
