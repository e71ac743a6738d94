"""Which rows of a file a version knew when it was trained, where it did not know all: a bit for each row number,
compressed."""

import base64
import zlib
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from retrain.operations import AcceptedFile


def seen_rows(
    files: Sequence[AcceptedFile], used: Collection[int], sequence: NDArray[np.int64], numbers: NDArray[np.int64]
) -> dict[str, str]:
    """By digest, of the files (by seq) that were `used`, those of whose rows not all were known: n known rows by their
    file and their number in it, each (n,)."""
    counts = dict(zip(*(part.tolist() for part in np.unique(sequence, return_counts=True)), strict=True))
    partly = [file for file in files if file.seq in used and counts[file.seq] < file.rows]
    return {file.digest: packed(numbers[sequence == file.seq]) for file in partly}


def was_seen(packed: str, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows with these numbers (n,) were known.

    >>> was_seen(packed(np.array([3, 5, 9])), np.arange(2, 7)).tolist()
    [False, True, False, True, False]
    """
    first, _, bits = packed.partition(":")
    known = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(bits)), dtype=np.uint8)).astype(bool)
    places = numbers - int(first)
    inside = (places >= 0) & (places < len(known))
    found = np.zeros(len(numbers), dtype=bool)
    found[inside] = known[places[inside]]
    return found


def packed(numbers: NDArray[np.int64]) -> str:
    """Row numbers (n,) as text: the smallest, and a bit for each from there on."""
    first = int(numbers.min())
    bits = np.zeros(int(numbers.max()) - first + 1, dtype=bool)
    bits[numbers - first] = True
    return f"{first}:{base64.b64encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode()}"
