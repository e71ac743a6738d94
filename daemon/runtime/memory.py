"""Memory of a process: what is free in one place, so that it is used again, and given back to the system; and large
libraries loaded without looking for garbage in them."""

import ctypes
import gc
import sys
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Any

M_ARENA_MAX = -8
"""The parameter of mallopt(3)."""


def one_arena() -> None:
    """Have all threads of this process take memory from one arena, to be called before there are any. The GNU C library
    has up to eight for each processor, each with its own holes that other threads do not fill: with what control's
    threads do by turns these hold as much as is in use. Elsewhere nothing is done."""
    if (library := _c_library()) is not None:
        library.mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Give free pages back to the system (malloc_trim(3)), which takes milliseconds for each hundred megabytes."""
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    if (library := _c_library()) is not None:
        library.malloc_trim(0)


def load_libraries(modules: Iterable[str]) -> None:
    """Import modules by their names while the garbage collector rests: what it goes through again and again meanwhile,
    and finds nothing in, is a tenth of what scikit-learn and SciPy take."""
    gc.disable()
    try:
        for module in modules:
            import_module(module)
    finally:
        gc.enable()


@cache
def _c_library() -> Any:
    """The GNU C library; None where there is another."""
    try:
        library = ctypes.CDLL(None)
        return library if library.mallopt and library.malloc_trim else None
    except (OSError, AttributeError):
        return None
