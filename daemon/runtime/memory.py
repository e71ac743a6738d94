"""Memory that is free within a process goes back to the system."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Give free pages back. What threads and libraries let go of otherwise stays with the process, in pieces between
    what is in use, and a long life gathers them (malloc_trim of the GNU C library; elsewhere nothing is done). It takes
    milliseconds for each hundred megabytes."""
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    _trim()(0)


@cache
def _trim() -> Callable[[int], int]:
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return lambda _left: 0
    return found
