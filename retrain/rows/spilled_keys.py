"""Equal rows among more than fit in memory: 64 bits of each row's key go to files by their value, and each file is
sorted alone. Two different keys are alike once in 2^64 pairs: of 10^8 rows, with a chance of 0.03 %."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Rows = NDArray[np.int64]
BUCKET_ROWS = 2_000_000
ABSENT = np.uint64(0x9E3779B97F4A7C15)
EXACT = 2.0**53
PAIR = np.dtype([("key", np.uint64), ("place", np.int64)])


class SpilledKeys:
    """Keys of about `rows` rows, in files of `folder` for as long as it lasts."""

    def __init__(self, folder: Path, rows: int) -> None:
        self._buckets = max(1, 1 << max(0, (rows // BUCKET_ROWS).bit_length()))
        self._paths = [folder / f"keys-{number}" for number in range(self._buckets)]

    def add(self, keys: Keys, places: Rows) -> None:
        """Of n more rows, with their places in the window (n,)."""
        bucket = (keys >> np.uint64(40)) & np.uint64(self._buckets - 1)
        order = np.argsort(bucket, kind="stable")
        ends = np.cumsum(np.bincount(bucket.astype(np.int64), minlength=self._buckets))
        pairs = np.empty(len(keys), dtype=PAIR)
        pairs["key"], pairs["place"] = keys[order], places[order]
        for path, part in zip(self._paths, np.split(pairs, ends[:-1]), strict=True):
            if len(part):
                with path.open("ab") as file:
                    part.tofile(file)

    def older(self, rows: int) -> NDArray[np.bool_]:
        """Which of so many rows, by their places (n,), have a key that a later row has too."""
        found = np.zeros(rows, dtype=bool)
        for path in self._paths:
            later = np.zeros(0, dtype=np.uint64)
            for pairs in _last_first(path):
                keys, last = np.unique(pairs["key"][::-1], return_index=True)
                newest = np.zeros(len(pairs), dtype=bool)
                newest[len(pairs) - 1 - last[~np.isin(keys, later)]] = True
                found[pairs["place"][~newest]] = True
                later = np.union1d(later, keys)
        return found


def _last_first(path: Path) -> Iterator[NDArray[Any]]:
    """The pairs of a file, whose places ascend, a bucket's worth at a time, from the last on."""
    size = path.stat().st_size // PAIR.itemsize if path.exists() else 0
    for stop in range(size, 0, -BUCKET_ROWS):
        start = max(0, stop - BUCKET_ROWS)
        yield np.fromfile(path, dtype=PAIR, count=stop - start, offset=start * PAIR.itemsize)


def cell_hashes(column: Any) -> Keys:
    """64 bits for each cell (n,) of an Arrow column, equal in any piece where the cells are; whole numbers up to 2^53
    are equal to the same ones with a point."""
    kind = column.type
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        coded = column if pa.types.is_dictionary(kind) else column.dictionary_encode()
        of_each = np.fromiter(map(hash, coded.dictionary.to_pylist()), np.int64, len(coded.dictionary)).view(np.uint64)
        of_each = np.where(np.asarray(coded.dictionary.is_null().to_numpy(zero_copy_only=False)), ABSENT, of_each)
        codes = np.asarray(pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)).astype(np.int64)
        return np.append(of_each, ABSENT)[codes]
    absent = np.asarray(column.is_null().to_numpy(zero_copy_only=False))
    if pa.types.is_timestamp(kind) or pa.types.is_boolean(kind):
        plain = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        bits = plain.astype(np.int64).view(np.uint64)
    elif pa.types.is_integer(kind):
        whole = np.asarray(pc.fill_null(column, 0).to_numpy(zero_copy_only=False))
        small = np.abs(whole.astype(np.float64)) < EXACT
        bits = np.where(small, whole.astype(np.float64).view(np.uint64), whole.astype(np.int64).view(np.uint64))
    elif pa.types.is_null(kind):
        return np.full(len(column), ABSENT)
    else:
        bits = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False).view(np.uint64)
    return np.where(absent, ABSENT, bits)
