"""What counters say of pairs of items, by rows, as answers look it up: shares of what follows, cosines of audiences.

Of each row only the strongest are kept. Rows are worked out a block at a time; after an increment only those that it
changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from retrain.recommendation.cooccurrence import NEAR
from retrain.recommendation.counters import Counters
from retrain.recommendation.interactions import Codes
from retrain.recommendation.live import LiveCounters

SHRUNK = 10.0
"""Users that are added to the sizes of two items' audiences before their overlap is divided by them: a pair that one
user made is weak evidence."""
LEADS = 2 * NEAR
"""The same of transitions: two of them to the next event."""
NEIGHBOURS = 200
"""The strongest neighbours of an item that are kept."""
BLOCK = 1 << 22
"""Entries that are worked out at once."""
Row = tuple[Codes, NDArray[np.float32]]
"""Other items, and what is said for them."""


@dataclass(frozen=True)
class Rows:
    """A table of which some rows changed: `base` as of some moment, and the rows that are now otherwise."""

    base: sparse.csr_array
    changed: Mapping[int, Row] = field(default_factory=dict)

    def row(self, item: int) -> Row:
        """What an item says for others."""
        if item in self.changed:
            return self.changed[item]
        if item + 1 >= len(self.base.indptr):
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        inside = slice(self.base.indptr[item], self.base.indptr[item + 1])
        return self.base.indices[inside], self.base.data[inside]


@dataclass(frozen=True)
class Lookup:
    """What the live parts look up, of counters that follow events."""

    transitions: Rows
    neighbours: Rows


def lookup_of(counters: Counters) -> Lookup:
    """Of all counters."""
    return Lookup(Rows(transition_shares(counters.transitions)), Rows(similarities(counters)))


def refreshed(lookup: Lookup, live: LiveCounters) -> Lookup:
    """After one more increment, `live`: of the rows that it changed, or of all where it was merged with the base. A
    neighbour's audience is as of the last change of the row."""
    if live.touched is None:
        return lookup_of(live.base)
    rows, size = live.touched, len(live.names)
    followed = transition_shares(_rows(live, "transitions", rows, size))
    near = cosines(_rows(live, "together", rows, size), rows, live.audience.astype(np.float64))
    return Lookup(*(_changed(old, rows, new) for old, new in zip(_tables(lookup), (followed, near), strict=True)))


def transition_shares(found: sparse.csr_array) -> sparse.csr_array:
    """What share of what follows an item is another one, shrunk; `found` are some rows of transitions."""
    total = np.asarray(found.sum(axis=1)).ravel() + LEADS
    return strongest(found, lambda row, _, value: value / total[row])


def similarities(counters: Counters) -> sparse.csr_array:
    """Cosine of the audiences of two items, shrunk; an item says nothing for itself."""
    found = counters.together
    return cosines(found, np.arange(found.shape[0]), counters.audience.astype(np.float64))


def cosines(found: sparse.csr_array, items: Codes, audience: NDArray[np.float64]) -> sparse.csr_array:
    """The same of the rows of some `items`."""

    def cosine(row: Codes, column: Codes, value: NDArray[np.int32]) -> NDArray[np.float64]:
        size = np.sqrt(audience[items[row]] * audience[column]) + SHRUNK
        return np.asarray(np.where(items[row] == column, 0.0, value / size))

    return strongest(found, cosine)


def strongest(
    found: sparse.csr_array, value_of: Callable[[Codes, Codes, NDArray[np.int32]], NDArray[np.float64]]
) -> sparse.csr_array:
    """The strongest NEIGHBOURS of each row by a value, of equal strength the first, in single precision."""
    size, kept, values = np.zeros(found.shape[0] + 1, np.int64), [], []
    for first, last in _blocks(found.indptr):
        inside = slice(found.indptr[first], found.indptr[last])
        starts = found.indptr[first : last + 1] - found.indptr[first]
        row = np.repeat(np.arange(first, last), np.diff(starts))
        value = value_of(row, found.indices[inside], found.data[inside]).astype(np.float32)
        mask = _strong(value, starts)
        size[first + 1 : last + 1] = np.add.reduceat(np.r_[mask, False], starts[:-1]) * (np.diff(starts) > 0)
        kept.append(found.indices[inside][mask])
        values.append(value[mask])
    indices = np.concatenate([np.zeros(0, found.indices.dtype), *kept])
    data = np.concatenate([np.zeros(0, np.float32), *values])
    return sparse.csr_array((data, indices, np.cumsum(size).astype(found.indptr.dtype)), shape=found.shape)


def _strong(value: NDArray[np.float32], starts: Codes) -> NDArray[np.bool_]:
    """Which entries of rows are among the NEIGHBOURS strongest, and above 0."""
    mask = value > 0
    for row in np.flatnonzero(np.diff(starts) > NEIGHBOURS):
        inside = slice(starts[row], starts[row + 1])
        held = value[inside]
        least = np.partition(held, -NEIGHBOURS)[-NEIGHBOURS]
        above = held > least
        equal = np.flatnonzero(held == least)[: NEIGHBOURS - int(above.sum())]
        above[equal] = True
        mask[inside] &= above
    return mask


def _blocks(indptr: Codes) -> Sequence[tuple[int, int]]:
    """Rows from the first up to the last, of about BLOCK entries together."""
    found, first, rows = [], 0, len(indptr) - 1
    while first < rows:
        last = max(first + 1, int(np.searchsorted(indptr, indptr[first] + BLOCK, side="right")) - 1)
        found.append((first, min(last, rows)))
        first = found[-1][1]
    return found


def _rows(live: LiveCounters, name: str, rows: Codes, size: int) -> sparse.csr_array:
    """Some rows of a table of all events."""
    base, change = getattr(live.base, name), getattr(live.change, name)
    old = base[rows[rows < base.shape[0]]]
    starts = np.r_[old.indptr, np.full(len(rows) - old.shape[0], old.indptr[-1], old.indptr.dtype)]
    padded = sparse.csr_array((old.data, old.indices, starts), shape=(len(rows), size))
    both = sparse.csr_array(padded + change[rows])
    both.eliminate_zeros()
    both.sort_indices()
    return both


def _tables(lookup: Lookup) -> tuple[Rows, Rows]:
    return lookup.transitions, lookup.neighbours


def _changed(old: Rows, rows: Codes, new: sparse.csr_array) -> Rows:
    inside = [slice(*new.indptr[place : place + 2]) for place in range(len(rows))]
    fresh = {int(item): (new.indices[part], new.data[part]) for item, part in zip(rows, inside, strict=True)}
    return replace(old, changed={**old.changed, **fresh})
