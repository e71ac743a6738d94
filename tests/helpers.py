"""What many tests share: waiting for a state with a deadline."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 120.0
"""How long a test waits for what must come: far longer than it takes, for the machine may be busy."""


def answer_of(probe: Callable[[], T], timeout_s: float, interval_s: float = 0.02) -> T:
    """The first truthy answer of `probe`, else the last one before the deadline."""
    deadline = time.monotonic() + timeout_s
    while not (answer := probe()) and time.monotonic() <= deadline:
        time.sleep(interval_s)
    return answer


def wait_for(probe: Callable[[], T], timeout_s: float = PATIENCE_S, interval_s: float = 0.02, what: str = "") -> T:
    """The first truthy answer of `probe`, or an AssertionError that says what did not come."""
    answer = answer_of(probe, timeout_s, interval_s)
    if not answer:
        raise AssertionError(f"not within {timeout_s:g} s: {what or probe}; last answer {answer!r}")
    return answer


async def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Let the event loop work until something is the case; TimeoutError if it never is."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)
