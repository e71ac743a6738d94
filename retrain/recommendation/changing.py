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

    def row(self, place: int) -> Row:
        """Places of other items, and what the item says for them."""
        found = self._kept.get(place)
        return found if found is not None else self._found(int(place))

    def _found(self, place: int) -> Row:
        code = place if self.code is None else int(self.code[place])
        if not self.stale[code]:
            inside = slice(self.shares.indptr[code], self.shares.indptr[code + 1])
            found = self._placed(self.shares.indices[inside]), self.shares.data[inside]
            return found if self.place is None else self._kept.setdefault(place, found)
        codes, values = self.whole(code)
        at = self._placed(codes)
        order = np.argsort(at)
        row = sparse.csr_array((values[order], at[order], np.array([0, len(at)])), shape=(1, self.shape[1]))
        best = self.strongest(row, place)
        return self._kept.setdefault(place, (best.indices, best.data))

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
