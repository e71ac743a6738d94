"""Which rows that equal an earlier one in every column were delivered twice, and which only look alike.

Without an id, equality proves nothing where columns are coarse: of a census with ages, sexes and trades a third of the
rows may equal another one. How many equal pairs chance gives is estimated from pairs that are *almost* equal, which no
repeated delivery makes. With columns j and k, among the pairs of rows that agree in all other columns, n00 agree in
both (the equal ones), n10 differ in j alone, n01 in k alone and n11 in both. Where agreement in j and in k are
independent given the rest, chance gives n10 · n01 / n11 equal pairs: the missing cell of two lists (Chapman 1951;
Fienberg 1972, "The multiple recapture census for closed populations and incomplete 2^k contingency tables", Biometrika
59). All dependence on the other columns is in the condition. Pairs are counted apart by the number of rows that agree
in the rest, so that a few frequent rows do not speak for the rare ones, and for each pair of the columns with the most
different values: the largest expectation counts, since two columns that determine each other hide what chance gives."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

COLUMNS = 4
"""So many columns, those with the fewest equal pairs of values, are left out in pairs."""
CHANCE = 0.1
"""Equal pairs are repeated deliveries where chance explains fewer than this share of them."""
Keys = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Of n rows in their order: which equal another one that is kept and are to be dropped (n,), and how many equal one
    and stay, since chance may have made them."""

    dropped: NDArray[np.bool_]
    alike: int


def repeated_rows(columns: NDArray[np.uint64], place: NDArray[np.int64]) -> Duplicates:
    """Judge rows by 64 bits for each of their cells, `columns` (d, n), equal where the cells of a column are equal; of
    rows that were delivered twice the one with the largest `place` (n,), which came last, is kept.

    >>> numbers = np.random.default_rng(0).integers(0, 2**40, (3, 500)).astype(np.uint64)
    >>> coarse = numbers % 4
    >>> judged = [repeated_rows(np.tile(x, 2), np.arange(1000)) for x in (numbers, coarse)]
    >>> [(int(one.dropped.sum()), one.alike) for one in judged]
    [(500, 0), (0, 936)]
    """
    whole = row_keys(columns)
    group, size = _groups(whole)
    twin = size[group] > 1
    nothing = np.zeros(len(whole), dtype=bool)
    if not twin.any():
        return Duplicates(nothing, 0)
    chance = _by_chance(columns, whole, group, size) if len(columns) > 1 else ~nothing
    order = np.lexsort((place, group))
    last = np.append(group[order][1:] != group[order][:-1], True)
    older = nothing.copy()
    older[order] = ~last
    return Duplicates(older & ~chance, int(np.count_nonzero(older & chance)))


def _by_chance(columns: Keys, whole: Keys, group: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows (n,) chance may have made equal to another one."""
    found = np.zeros(len(whole), dtype=bool)
    varied = most_varied(columns)
    parts = _parts(columns)
    without = {j: _groups(whole - parts[j]) for j in varied}
    for j, k in combinations(varied, 2):
        rest = _groups(whole - parts[j] - parts[k])
        bucket = np.floor(np.log2(rest[1])).astype(np.int64)[rest[0]]
        equal, but_j, but_k, both = (
            _pairs_by(bucket, *groups) for groups in ((group, size), without[j], without[k], rest)
        )
        n10, n01, n11 = but_j - equal, but_k - equal, both - but_j - but_k + equal
        found |= ((n10 * n01 >= CHANCE * equal * (n11 + 1)) & (n10 * n01 > 0))[bucket]
    return found


def most_varied(columns: Keys) -> list[int]:
    """The columns, of `columns` (d, n), with the fewest equal pairs of values."""
    alike = [float((counts * (counts - 1.0)).sum()) for counts in (_groups(column)[1] for column in columns)]
    return [int(place) for place in np.argsort(alike, kind="stable")[:COLUMNS]]


def _pairs_by(bucket: NDArray[np.int64], group: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.float64]:
    """Equal pairs by bucket: a row stands in (size - 1) / 2 of them."""
    return np.asarray(np.bincount(bucket, weights=(size[group] - 1) / 2, minlength=64), dtype=np.float64)


def _groups(keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The group of equal keys that each belongs to (n,), and the size of each group."""
    _, group, size = np.unique(keys, return_inverse=True, return_counts=True)
    return group.astype(np.int64), size


def _parts(columns: Keys) -> Keys:
    """Each cell's part in the sum that is a row's key: scrambled by column, so that cells do not cancel out."""
    salts = np.random.default_rng(0).integers(1, 2**63, len(columns), dtype=np.uint64) | np.uint64(1)
    mixed = columns ^ salts[:, None]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def row_keys(columns: Keys) -> Keys:
    """64 bits for each of n rows, by those of its cells, `columns` (d, n)."""
    return np.asarray(_parts(columns).sum(axis=0, dtype=np.uint64))
