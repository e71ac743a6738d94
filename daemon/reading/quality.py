"""What is odd about a file's rows, counted while they stream by."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from retrain.records.schema import Column

MANY = 1000
LISTED = 10
PRIME = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class ColumnQuality:
    """Counts of one column; `first` is its first value while all values are equal."""

    column: Column
    rows: int = 0
    missing: int = 0
    infinite: int = 0
    out_of_range: int = 0
    unseen: Counter[str] = field(default_factory=Counter)
    first: Any = None
    constant: bool = True

    def add(self, values: Any, infinite: int) -> None:
        """Count a batch: an Arrow array of the column's type."""
        self.rows += len(values)
        self.missing += values.null_count
        self.infinite += infinite
        self.out_of_range += self._outside(values)
        self._count_unseen(values)
        self._watch_constant(values)

    def to_json(self) -> dict[str, Any]:
        """What is odd; empty where nothing is."""
        counts = {"missing": self.missing, "infinite": self.infinite, "out_of_range": self.out_of_range}
        odd: dict[str, Any] = {key: count for key, count in counts.items() if count}
        if self.unseen:
            odd["unseen"] = sum(self.unseen.values())
            odd["unseen_values"] = [name for name, _ in self.unseen.most_common(LISTED)]
        if self.constant and self.rows > 1 and self.missing < self.rows:
            odd["constant"] = True
        return odd

    def _outside(self, values: Any) -> int:
        if self.column.kind not in ("number", "integer"):
            return 0
        bounds = ((pc.less, self.column.minimum), (pc.greater, self.column.maximum))
        return sum(pc.sum(beyond(values, bound)).as_py() or 0 for beyond, bound in bounds if bound is not None)

    def _count_unseen(self, values: Any) -> None:
        if self.column.categories is None or self.column.kind != "category":
            return
        known = pa.array(list(self.column.categories), pa.string())
        fresh = values.filter(pc.invert(pc.is_in(values, value_set=known, skip_nulls=False)))
        for entry in pc.value_counts(fresh.drop_null()).to_pylist():
            if entry["values"] in self.unseen or len(self.unseen) < MANY:
                self.unseen[entry["values"]] += entry["counts"]

    def _watch_constant(self, values: Any) -> None:
        if not self.constant or values.null_count == len(values):
            return
        extremes = pc.min_max(values) if self.column.kind != "boolean" else pc.min_max(pc.cast(values, pa.int8()))
        low, high = extremes["min"].as_py(), extremes["max"].as_py()
        self.first = low if self.first is None else self.first
        self.constant = low == high == self.first


class RowHashes:
    """Counts rows that are equal in every column, by a 64-bit hash of each row."""

    def __init__(self) -> None:
        self._pieces: list[NDArray[np.uint64]] = []

    def add(self, arrays: list[Any], rows: int) -> None:
        """A batch's columns."""
        mixed = np.zeros(rows, dtype=np.uint64)
        with np.errstate(over="ignore"):
            for array in arrays:
                mixed = _scramble(mixed * PRIME + _bits(array))
        self._pieces.append(mixed)

    def duplicates(self) -> int:
        """How many rows equal an earlier one."""
        if not self._pieces:
            return 0
        hashes = np.concatenate(self._pieces)
        hashes.sort()
        return int(np.count_nonzero(hashes[1:] == hashes[:-1]))


def _bits(array: Any) -> NDArray[np.uint64]:
    """64 bits a value; missing ones have bits of their own."""
    if pa.types.is_string(array.type):
        coded = array.dictionary_encode()
        table = np.array([*(_text_bits(word) for word in coded.dictionary.to_pylist()), 1], dtype=np.uint64)
        return np.asarray(table[pc.fill_null(coded.indices, len(table) - 1).to_numpy(zero_copy_only=False)])
    if pa.types.is_boolean(array.type):
        array = pc.cast(array, pa.int64())
    filled = pc.fill_null(array if pa.types.is_floating(array.type) else pc.cast(array, pa.int64()), 0)
    bits = np.asarray(filled.to_numpy(zero_copy_only=False)).view(np.uint64)
    if array.null_count:
        bits = np.where(array.is_null().to_numpy(zero_copy_only=False), np.uint64(0x5A17), bits)
    return bits


def _text_bits(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def _scramble(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The mixing step of splitmix64."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(bits ^ (bits >> np.uint64(27)))
