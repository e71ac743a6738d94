"""Waiting with a limit: a result, a limit, and a cancellation that is never lost."""

import asyncio
import re
from pathlib import Path

import pytest

from daemon.runtime.within import within

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("turns", range(5))
def test_a_cancellation_beside_the_result_ends_the_part(turns):
    """Whichever turn of the event loop lies between what was waited for and the cancellation: a part that waits again
    and again ends."""

    async def story() -> bool:
        event = asyncio.Event()

        async def part() -> None:
            while True:
                await within(event.wait(), 60)
                event.clear()

        task = asyncio.create_task(part())
        await asyncio.sleep(0)
        event.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        return task.cancelled()

    assert asyncio.run(story())


def test_what_comes_in_time_is_given_and_what_does_not_is_a_timeout():
    """As `asyncio.wait_for` has it."""

    async def story() -> str:
        with pytest.raises(TimeoutError):
            await within(asyncio.Event().wait(), 0.001)
        return await within(asyncio.sleep(0, "done"), None)

    assert asyncio.run(story()) == "done"


def test_nothing_waits_in_the_way_that_loses_cancellations():
    """No part of the service uses `asyncio.wait_for`."""
    found = [
        path for path in (ROOT / "daemon").rglob("*.py") if re.search(r"await asyncio\.wait_for", path.read_text())
    ]
    assert found == []
