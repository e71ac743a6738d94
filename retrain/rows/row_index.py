"""What is kept in memory of each labelled row of a window whose rows are not: its file and number, event time, label,
and whether it is reserved, known to the champion, or a duplicate; 5 to
15 bytes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from retrain.records.predictions import Floats
from retrain.rows.targets import class_column

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Numbers:
    """Ascending whole numbers: a bit for each from the `first` on."""

    first: int
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, numbers: Rows) -> "Numbers":
        """Of numbers (n,), n ≥ 1."""
        first = int(numbers[0])
        bits = np.zeros(int(numbers[-1]) - first + 1, dtype=bool)
        bits[numbers - first] = True
        return cls(first, np.packbits(bits))

    @property
    def all(self) -> Rows:
        """Them, (n,)."""
        return np.asarray(self.first + np.flatnonzero(np.unpackbits(self.bits)), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class ByOrder:
    """Event times of rows that have none: the file's number and their place's share of its `rows`."""

    seq: int
    rows: int
    places: Numbers

    @classmethod
    def of(cls, seq: int, rows: int, times: Floats) -> "ByOrder | None":
        """Of times (n,), n ≥ 1; None where they are others."""
        if not (seq <= times[0] <= times[-1] <= seq + 1):
            return None
        places = np.rint((times - seq) * rows).astype(np.int64)
        if np.any(np.diff(places) < 1) or not np.array_equal(seq + places / rows, times):
            return None
        return cls(seq, rows, Numbers.of(places))

    @property
    def all(self) -> Floats:
        """Them, (n,)."""
        times: Floats = self.seq + self.places.all / self.rows
        return times


@dataclass(frozen=True, eq=False)
class Piece:
    """Consecutive labelled rows of file `seq`: row numbers, event times, labels (the class's code, or the number), and
    masks, each (n,); `dropped` is filled in once all rows are known."""

    seq: int
    known_numbers: "Numbers"
    known_times: "Floats | ByOrder"
    label: NDArray[Any]
    reserved: Mask
    seen: Mask
    dropped: Mask

    def __len__(self) -> int:
        return len(self.label)

    @property
    def numbers(self) -> Rows:
        """Their row numbers in the file, (n,)."""
        return self.known_numbers.all

    @property
    def times(self) -> Floats:
        """Their event times, (n,)."""
        return self.known_times.all if isinstance(self.known_times, ByOrder) else self.known_times


@dataclass(eq=False)
class RowIndex:
    """Pieces in the order of arrival, and the names of the classes by code."""

    is_classes: bool
    pieces: list[Piece] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)

    def add(self, seq: int, rows: int, numbers: Rows, times: Floats, target: Any, reserved: Mask, seen: Mask) -> None:
        """The next n ≥ 1 rows, of a file of so many `rows`; `target` is their Arrow column of labels."""
        label = (
            self._codes_of(target) if self.is_classes else np.asarray(target.cast(pa.float64()).to_numpy(), np.float32)
        )
        nothing = np.zeros(len(numbers), dtype=bool)
        by_order = ByOrder.of(seq, rows, times)
        kept = times.copy() if by_order is None else by_order
        self.pieces.append(Piece(seq, Numbers.of(numbers), kept, label, reserved, seen, nothing))

    @property
    def rows(self) -> int:
        """All rows, duplicates too."""
        return sum(map(len, self.pieces))

    def drop(self, places: Mask) -> None:
        """Mark duplicates, by their places in all rows (n,)."""
        start = 0
        for piece in self.pieces:
            piece.dropped[:] = places[start : start + len(piece)]
            start += len(piece)

    def kept(self) -> dict[int, int]:
        """The rows that are no duplicates, by file (seq), in the order of arrival."""
        found: dict[int, int] = {}
        for piece in self.pieces:
            if many := int(np.count_nonzero(~piece.dropped)):
                found[piece.seq] = found.get(piece.seq, 0) + many
        return found

    def _codes_of(self, target: Any) -> NDArray[Any]:
        words = class_column(target)
        words = words.combine_chunks() if isinstance(words, pa.ChunkedArray) else words
        coded = words.dictionary_encode()
        table = [self.codes.setdefault(str(name), len(self.codes)) for name in coded.dictionary.to_pylist()]
        kind = np.int16 if len(self.codes) < np.iinfo(np.int16).max else np.int32
        return np.array(table, dtype=kind)[np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)]
