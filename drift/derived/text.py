"""Free text as columns that can be compared: its length, whether it is empty, and one of its trigrams."""

from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np

from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues

BUCKETS = 64
MIN_MEAN_LENGTH = 20.0
MIN_DISTINCT_SHARE = 0.5


def is_text(values: Sequence[str | None]) -> bool:
    """Whether the values of a sample are sentences rather than names: long, and mostly distinct.

    >>> is_text(["a", "b"]), is_text([f"order {i} arrived broken" for i in range(50)])
    (False, True)
    """
    known = [value for value in values if value]
    if not known:
        return False
    distinct = len(set(known)) / len(known)
    return distinct >= MIN_DISTINCT_SHARE and sum(map(len, known)) / len(known) >= MIN_MEAN_LENGTH


def text_columns(name: str, values: Sequence[str | None]) -> Iterator[tuple[str, ColumnValues]]:
    """Columns of n texts: "NAME (length)" in characters, "NAME (empty)", and "NAME (trigrams)": of each text the one
    trigram of least hash, in one of 64 buckets (min-hash, Broder 1997). One a text, so that rows stay independent.

    >>> [column for column, _ in text_columns("note", ["some words", ""])]
    ['note (length)', 'note (empty)', 'note (trigrams)']
    """
    lengths = [np.nan if value is None else float(len(value)) for value in values]
    yield f"{name} (length)", np.array(lengths, dtype=np.float64)
    empty = np.array([-1 if value is None else int(not value.strip()) for value in values], dtype=np.int64)
    yield f"{name} (empty)", Codes(empty, ("no", "yes"))
    buckets = np.array([_bucket(value) for value in values], dtype=np.int64)
    yield f"{name} (trigrams)", Codes(buckets, tuple(f"bucket {k}" for k in range(BUCKETS)))


def _bucket(value: str | None) -> int:
    text = "" if value is None else value.lower()
    if len(text) < 3:
        return -1
    return min(crc32(text[start : start + 3].encode()) for start in range(len(text) - 2)) % BUCKETS
