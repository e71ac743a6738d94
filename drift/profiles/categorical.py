"""The mergeable summary of a categorical column."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

MAX_CATEGORIES = 10_000


@dataclass(frozen=True, eq=False)
class Codes:
    """A categorical column: `codes` of shape (n,) index `names`, −1 is missing."""

    codes: NDArray[np.integer[Any]]
    names: Sequence[str]


@dataclass(frozen=True)
class CategoricalProfile:
    """Rows a category, of at most `max_categories` categories; the rows of all others are `other`."""

    counts: dict[str, int]
    missing: int
    other: int = 0
    max_categories: int = MAX_CATEGORIES

    kind: ClassVar[Literal["categorical"]] = "categorical"

    @property
    def count(self) -> int:
        """Rows that are not missing."""
        return sum(self.counts.values()) + self.other

    @property
    def rows(self) -> int:
        """All rows."""
        return self.count + self.missing

    def merge(self, other: "CategoricalProfile") -> "CategoricalProfile":
        """The profile of both sets of rows together."""
        counts = Counter(self.counts)
        counts.update(other.counts)
        limit = min(self.max_categories, other.max_categories)
        return _bounded(counts.items(), self.missing + other.missing, self.other + other.other, limit)


def encode(values: Iterable[object]) -> Codes:
    """Values to codes; None is missing, booleans are "true" and "false", anything else its text.

    >>> encode(["b", None, True]).codes, encode(["b", None, True]).names
    (array([ 0, -1,  1]), ('b', 'true'))
    """
    words = [_word(value) for value in values]
    names = sorted({word for word in words if word is not None})
    index = {name: code for code, name in enumerate(names)}
    codes = np.array([-1 if word is None else index[word] for word in words], dtype=np.int64)
    return Codes(codes, tuple(names))


def categorical_profile(column: Codes, max_categories: int = MAX_CATEGORIES) -> CategoricalProfile:
    """The profile of a coded column; a name may stand in `names` twice.

    >>> categorical_profile(encode(["a", "b", "a", None]))
    CategoricalProfile(counts={'a': 2, 'b': 1}, missing=1, other=0, max_categories=10000)
    """
    missing, *found = np.bincount(np.add(column.codes, 1, dtype=np.intp), minlength=len(column.names) + 1).tolist()
    counts: dict[str, int] = {}
    for name, count in zip(column.names, found, strict=True):
        if count:
            counts[str(name)] = counts.get(str(name), 0) + count
    return _bounded(counts.items(), missing, 0, max_categories)


def _word(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _bounded(counts: Collection[tuple[str, int]], missing: int, other: int, max_categories: int) -> CategoricalProfile:
    """The most frequent ones are kept (ties by name), in the order of their names."""
    if len(counts) <= max_categories:
        return CategoricalProfile(dict(sorted(counts)), missing, other, max_categories)
    ranked = sorted(counts, key=lambda item: (-item[1], item[0]))
    kept = dict(sorted(ranked[:max_categories]))
    rest = sum(count for _, count in ranked[max_categories:])
    return CategoricalProfile(kept, missing, other + rest, max_categories)
