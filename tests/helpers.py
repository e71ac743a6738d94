"""What many tests share: waiting for a state with a deadline."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 120.0
"""How long a test waits for what must come: far longer than it takes, for the machine may be busy."""
MOST_PAUSE_S = 1.0
BUSY = 4
"""More processes than this that want a processor are slower than usual."""


def slowness() -> float:
    """How many times as long work may take on this machine now, for bounds that a test has to set; 1 unless it is busy."""
    return max(1.0, os.getloadavg()[0] / BUSY / (os.cpu_count() or 1))


def answer_of(probe: Callable[[], T], timeout_s: float, interval_s: float = 0.02) -> T:
    """The first truthy answer of `probe`, else the last one before the deadline, which a busy machine puts off. Between
    two that cost more than `interval_s`, as long a pause: who waits leaves the machine to whom it waits for."""
    begun_s = time.monotonic()
    while True:
        asked_s = time.monotonic()
        if (answer := probe()) or (asked_s > begun_s + timeout_s and asked_s > begun_s + timeout_s * slowness()):
            return answer
        time.sleep(max(interval_s, min(time.monotonic() - asked_s, MOST_PAUSE_S)))


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
