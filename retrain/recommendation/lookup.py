"""What counters say of pairs of items, by rows, as answers look it up: shares of what follows, cosines of audiences.

Of each row only the strongest are kept. Rows are worked out a block at a time."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from retrain.recommendation.cooccurrence import NEAR
from retrain.recommendation.counters import Counters
from retrain.recommendation.interactions import Codes

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
