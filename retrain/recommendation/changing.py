"""Tables that answers look up, of counters that are followed: rows that changed since the base was counted are worked
out when they are asked for, and kept for the moment."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from retrain.recommendation.interactions import Codes
from retrain.recommendation.live import LiveCounters
from retrain.recommendation.lookup import Row


@dataclass(frozen=True)
class ChangingRows:
    """A table of which some rows, the `stale`, are not what they were in the base. `shares` has the strongest of each
    row of the base, `whole` gives all of a row, by codes; `strongest` what is kept of one, by places. `code` has the
    code of each place and `place` the inverse; None where they are the same."""

    shape: tuple[int, int]
    shares: sparse.csr_array
    stale: NDArray[np.bool_]
    whole: Callable[[int], Row]
    strongest: Callable[[sparse.csr_array, int], sparse.csr_array]
    code: Codes | None
    place: Codes | None
    _kept: dict[int, Row] = field(default_factory=dict)

    def rows(self, places: Codes) -> list[Row]:
        """Of each item the places of others, and what it says for them."""
        codes = places if self.code is None else self.code[places]
        if self.place is None and not self.stale[codes].any():
            return rows_of(self.shares, codes)
        return [self._row(*both) for both in zip(places.tolist(), codes.tolist(), strict=True)]

    def _row(self, place: int, code: int) -> Row:
        found = self._kept.get(place)
        if found is None:
            found = self._kept[place] = self._renewed(place, code) if self.stale[code] else self._stored(code)
        return found

    def _stored(self, code: int) -> Row:
        inside = slice(self.shares.indptr[code], self.shares.indptr[code + 1])
        return self._placed(self.shares.indices[inside]), self.shares.data[inside]

    def _renewed(self, place: int, code: int) -> Row:
        codes, values = self.whole(code)
        at = self._placed(codes)
        order = np.argsort(at)
        row = sparse.csr_array((values[order], at[order], np.array([0, len(at)])), shape=(1, self.shape[1]))
        best = self.strongest(row, place)
        return best.indices, best.data

    def _placed(self, codes: Codes) -> Codes:
        return codes if self.place is None else self.place[codes].astype(np.int32)


@dataclass(frozen=True)
class ChangingLive:
    """What the live parts look up of counters that are followed."""

    transitions: ChangingRows
    neighbours: ChangingRows


def changed_rows(live: LiveCounters) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows (items,) of transitions and of neighbours, by codes, are not those of the base. A cosine has the
    audience of both items, so that all neighbours of one whose audience changed are among them."""
    followed, near = (np.diff(table.indptr) > 0 for table in (live.change.transitions, live.change.together))
    table, size = live.base.together, len(live.base.support)
    followed[size:], near[size:] = True, True
    for item in np.flatnonzero(live.change.audience[:size]):
        near[table.indices[table.indptr[item] : table.indptr[item + 1]]] = True
    return followed, near


def whole_row(live: LiveCounters, name: str, code: int) -> Row:
    """One row of a table of all events, by codes, in no order."""
    tables = [table for table in (getattr(live.base, name), getattr(live.change, name)) if code < table.shape[0]]
    inside = [slice(table.indptr[code], table.indptr[code + 1]) for table in tables]
    both = zip(tables, inside, strict=True)
    indices, data = zip(*((table.indices[part], table.data[part]) for table, part in both), strict=True)
    distinct, at = np.unique(np.concatenate(indices), return_inverse=True)
    total = np.zeros(len(distinct), np.int32)
    np.add.at(total, at, np.concatenate(data))
    return distinct[total != 0], total[total != 0]


def rows_of(table: sparse.csr_array, rows: Codes) -> list[Row]:
    """Some rows of a table that is whole."""
    spans = zip(table.indptr[rows].tolist(), table.indptr[rows + 1].tolist(), strict=True)
    return [(table.indices[begin:end], table.data[begin:end]) for begin, end in spans]
