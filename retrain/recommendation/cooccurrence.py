"""What users had to do with one after the other, and both: tables of items by items, as sums of whole numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from retrain.recommendation.interactions import Codes, Interactions
from retrain.recommendation.popularity import Pairs

WINDOW = 5
"""Events of a user after an item that it leads to."""
NEAR = 60
"""What a transition to the next event counts; one to the d-th counts NEAR / d, a whole number up to WINDOW."""
DISTANCE_BITS = 3
"""Bits that hold a distance up to WINDOW."""
MOST_BITS = 63
"""Of a key, so that it sorts as a whole number."""


def most_users(items: int) -> int:
    """Of how many users at once transitions can be counted."""
    return 1 << max(0, MOST_BITS - DISTANCE_BITS - 2 * items.bit_length())


def transitions(events: Interactions) -> sparse.csr_array:
    """From each item to those of the next WINDOW events at later moments, NEAR / distance; of one user once, the
    nearest. `events` all teach, and are of at most `most_users` users."""
    size, bits = len(events.items), len(events.items).bit_length()
    user = events.user - events.user[0] if len(events) else events.user
    keys = []
    for distance in range(1, WINDOW + 1):
        before, after = slice(None, -distance), slice(distance, None)
        follows = (events.user[before] == events.user[after]) & (events.time_ms[before] < events.time_ms[after])
        pair = (events.item[before][follows] << bits) | events.item[after][follows]
        keys.append((((user[before][follows] << 2 * bits) | pair) << DISTANCE_BITS) | distance)
    key = np.sort(np.concatenate(keys))
    nearest = key[_firsts(key >> DISTANCE_BITS)]
    key = np.sort(nearest & ((1 << (2 * bits + DISTANCE_BITS)) - 1))
    if not len(key):
        return empty(size)
    begins = np.flatnonzero(_firsts(key >> DISTANCE_BITS))
    pair = key[begins] >> DISTANCE_BITS
    value = np.add.reduceat(NEAR // (key & ((1 << DISTANCE_BITS) - 1)), begins)
    return _of_sorted(pair >> bits, pair & ((1 << bits) - 1), value, size)


def together(found: Pairs, items: int, longest: int) -> sparse.csr_array:
    """How many users had to do with both of two items, of the newest `longest` of each user."""
    if not len(found.user):
        return empty(items)
    kept = _newest(found, longest)
    user, item = found.user[kept] - found.user[0], found.item[kept]
    had = sparse.csr_array((np.ones(len(user), np.int32), (user, item)), shape=(int(user.max()) + 1, items))
    return clean(sparse.csr_array(had.T @ had))


def _newest(found: Pairs, longest: int) -> NDArray[np.int64]:
    """The places of each user's newest items, of equal times the first by name; sorted."""
    begins = np.flatnonzero(_firsts(found.user))
    size = np.diff(np.r_[begins, len(found.user)])
    kept = np.repeat(size <= longest, size)
    many = np.flatnonzero(~kept)
    order = many[np.lexsort((found.item[many], -found.last_ms[many], found.user[many]))]
    place = np.arange(len(order)) - np.searchsorted(found.user[order], found.user[order])
    kept[order[place < longest]] = True
    return np.flatnonzero(kept)


def empty(size: int) -> sparse.csr_array:
    """A table of nothing."""
    return sparse.csr_array((size, size), dtype=np.int32)


def summed(parts: Sequence[tuple[sparse.csr_array, int]]) -> sparse.csr_array:
    """The sum of tables with their signs; the largest last, since each sum touches all of both."""
    ordered = sorted(parts, key=lambda part: part[0].nnz)
    total = ordered[0][0] * ordered[0][1]
    for table, sign in ordered[1:]:
        total = total + table if sign == 1 else total - table
    return clean(total)


def recoded(table: sparse.csr_array, places: Codes, size: int) -> sparse.csr_array:
    """The same table with each item at another place; nothing is sorted where they stay in their order."""
    if bool(np.all(np.diff(places) > 0)):
        starts = np.repeat(table.indptr, np.diff(np.r_[-1, places, size]))
        return sparse.csr_array((table.data, places.astype(table.indices.dtype)[table.indices], starts), (size, size))
    found = table.tocoo()
    made = sparse.csr_array((found.data, (places[found.row], places[found.col])), shape=(size, size))
    return clean(made)


def clean(table: sparse.csr_array) -> sparse.csr_array:
    """In the one form that equal tables share."""
    table = sparse.csr_array(table)
    table.sum_duplicates()
    table.eliminate_zeros()
    table.sort_indices()
    kind = np.int32 if max(table.nnz, *table.shape) <= np.iinfo(np.int32).max else np.int64
    parts = table.data.astype(np.int32, copy=False), table.indices.astype(kind, copy=False)
    return sparse.csr_array((*parts, table.indptr.astype(kind, copy=False)), shape=table.shape)


def _firsts(sorted_keys: Codes) -> NDArray[np.bool_]:
    fresh = np.ones(len(sorted_keys), bool)
    fresh[1:] = sorted_keys[1:] != sorted_keys[:-1]
    return fresh


def _of_sorted(row: Codes, column: Codes, value: Codes, size: int) -> sparse.csr_array:
    starts = np.searchsorted(row, np.arange(size + 1))
    return sparse.csr_array((value.astype(np.int32), column.astype(np.int32), starts.astype(np.int32)), (size, size))
