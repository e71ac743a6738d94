"""Waiting with a limit, in parts that are cancelled when the service stops."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(awaited: Awaitable[T], seconds: float | None) -> T:
    """What is awaited, or TimeoutError after so many seconds; None: without limit.

    Not by `asyncio.wait_for`: before Python 3.12 that gives the result where a cancellation comes at the same moment,
    and the cancellation is lost (https://github.com/python/cpython/issues/86296). A part that waits in a loop then
    never ends, and the service does not stop."""
    async with asyncio.timeout(seconds):
        return await awaited
