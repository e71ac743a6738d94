"""Whose fault an error is: the file's, then it is refused for good, or the world's, then it is tried again."""

import errno
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from daemon.reading.sql import first_line_of
from retrain.records.errors import Refused, Retry

WORLD = tuple(
    os.strerror(number)
    for number in (
        errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE,
        errno.ENODEV, errno.EACCES, errno.EPERM, errno.ENOENT,
    )
)  # fmt: skip

OUT_OF_MEMORY = "reading it takes too much memory: write it in smaller files, or with shorter texts"
"""DuckDB's limit is its own, and the same each time."""


def worlds_fault(error: Exception) -> bool:
    """Whether the system said no: with an errno, or with its words in a library's message. What is wrong with a file's
    content has neither.

    >>> worlds_fault(OSError(28, "No space left on device")), worlds_fault(OSError("Unexpected end of stream"))
    (True, False)
    >>> worlds_fault(duckdb.IOException('IO Error: Could not write file "a": No space left on device'))
    True
    """
    if isinstance(error, OSError) and error.errno is not None:
        return True
    if isinstance(error, MemoryError):
        return True
    return any(words in str(error) for words in WORLD)


def hint_of(error: Exception) -> str:
    """The way out of an error that is the file's fault; empty where it is not known."""
    return OUT_OF_MEMORY if isinstance(error, duckdb.OutOfMemoryException) else ""


@contextmanager
def reading(failure: str) -> Iterator[None]:
    """Errors of the libraries that read as what they mean: where the file is at fault Refused, beginning with what
    failed; where the world is, Retry or the system's own error."""
    try:
        yield
    except (duckdb.Error, zlib.error, pa.ArrowException, OSError) as error:
        if not worlds_fault(error):
            raise Refused(f"{failure}: {first_line_of(error)}", hint_of(error)) from None
        if isinstance(error, duckdb.Error):
            raise Retry(first_line_of(error)) from None
        raise
