"""What is kept in memory of each labelled row of a window whose rows are not: its file and number, event time, label,
and whether it is reserved, known to the champion, or a duplicate; about 15 bytes."""

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
class Piece:
    """Consecutive labelled rows of file `seq`: event times, labels (the class's code, or the number), and masks, each
    (n,); `dropped` is filled in once all rows are known. `bits` says which row numbers they have from `first` on."""

    seq: int
    first: int
    bits: NDArray[np.uint8]
    times: Floats
    label: NDArray[Any]
    reserved: Mask
    seen: Mask
    dropped: Mask

    def __len__(self) -> int:
        return len(self.times)

    @property
    def numbers(self) -> Rows:
        """Their row numbers in the file, (n,)."""
        return np.asarray(self.first + np.flatnonzero(np.unpackbits(self.bits)), dtype=np.int64)


@dataclass(eq=False)
class RowIndex:
    """Pieces in the order of arrival, and the names of the classes by code."""

    is_classes: bool
    pieces: list[Piece] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)

    def add(self, seq: int, numbers: Rows, times: Floats, target: Any, reserved: Mask, seen: Mask) -> None:
        """The next n ≥ 1 rows; `target` is their Arrow column of labels."""
        first = int(numbers[0])
        bits = np.zeros(int(numbers[-1]) - first + 1, dtype=bool)
        bits[numbers - first] = True
        label = (
            self._codes_of(target) if self.is_classes else np.asarray(target.cast(pa.float64()).to_numpy(), np.float32)
        )
        nothing = np.zeros(len(numbers), dtype=bool)
        self.pieces.append(Piece(seq, first, np.packbits(bits), times.copy(), label, reserved, seen, nothing))

    @property
    def rows(self) -> int:
        """All rows, duplicates too."""
        return sum(map(len, self.pieces))

    def drop(self, places: Rows) -> None:
        """Mark duplicates, by their places in all rows."""
        ends = np.cumsum([len(piece) for piece in self.pieces])
        ordered = np.sort(places)
        for piece, part, end in zip(
            self.pieces, np.split(ordered, np.searchsorted(ordered, ends[:-1])), ends, strict=True
        ):
            piece.dropped[part - (end - len(piece))] = True

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
