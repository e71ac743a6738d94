"""Another function in the place of one of the product's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(where: Any, name: str, other: Any) -> Iterator[None]:
    """Another function of that name, until the end of the block."""
    before = getattr(where, name)
    setattr(where, name, other)
    try:
        yield
    finally:
        setattr(where, name, before)
