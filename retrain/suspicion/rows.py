"""The rows of a file as doubts are raised about them, and what a doubt is."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.records.predictions import Floats

PRIME = np.uint64(0x9E3779B97F4A7C15)
HIGHEST = float(2**64)


@dataclass(frozen=True)
class Columns:
    """What the columns of X are: `categorical` ones hold codes, which all files share. `classes` counts those of the
    target, 0 for numbers."""

    names: tuple[str, ...]
    categorical: tuple[bool, ...]
    target: str
    classes: int

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Positions of the columns that hold numbers."""
        return np.flatnonzero(~np.array(self.categorical, dtype=bool))


@dataclass(frozen=True, eq=False)
class Rows:
    """A file, or of a long one those rows whose key is within the lowest `kept` share of all keys.

    X (n, d) numbers and codes, NaN where missing; y (n,) numbers or codes, NaN without a label; `scores` what the
    served model said before these rows taught it: probabilities (n, classes) or numbers (n, 1), None if nothing."""

    name: str
    X: Floats
    y: Floats
    scores: Floats | None = None
    kept: float = 1.0

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a label."""
        return ~np.isnan(self.y)

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """64 bits for each row (n,), equal where all features are equal."""
        return row_keys(self.X)

    @cached_property
    def whole_keys(self) -> NDArray[np.uint64]:
        """The same of features and label."""
        return row_keys(np.column_stack([self.X, self.y]))


@dataclass(frozen=True)
class Doubt:
    """Why a file looks poisoned: a sentence for a person, the numbers that it rests on, and its `kind`, which `doubts`
    adds."""

    reason: str
    numbers: dict[str, Any] = field(default_factory=dict)
    kind: str = ""


def row_keys(X: Floats) -> NDArray[np.uint64]:
    """64 mixed bits for each row of X (n, d); missing values are equal to each other.

    >>> one, two, three = row_keys(np.array([[1.0, np.nan], [1.0, np.nan], [1.0, 2.0]]))
    >>> one == two, one == three
    (np.True_, np.False_)
    """
    mixed = np.zeros(len(X), dtype=np.uint64)
    for column in (X + 0.0).T:  # −0 becomes 0
        bits = np.where(np.isnan(column), np.nan, column).view(np.uint64)
        mixed = _scramble(mixed * PRIME + bits)
    return mixed


def lowest(keys: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    """Which keys (n,) are within the lowest `share` of all possible ones: the same rows in every file."""
    if share >= 1:
        return np.ones(len(keys), dtype=bool)
    return np.asarray(keys < np.uint64(share * HIGHEST))


def _scramble(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The mixing step of splitmix64."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(bits ^ (bits >> np.uint64(27)))
