"""Requests: whom to recommend to, with what they had to do with before, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from retrain.recommendation.interactions import Codes, Interactions

LONGEST = 100
"""The newest distinct items of a history that answers look at."""


@dataclass(frozen=True)
class History:
    """The distinct items of one person, newest first; `count` how often each; `known` has also those that were not
    positive, and those beyond LONGEST."""

    item: Codes
    count: Codes
    known: Codes


@dataclass(frozen=True)
class Requests:
    """Several histories as rows of sparse tables: entries sorted by row and item. `place` is 0 for the newest item of
    its history, `count` its events; `known` (row, item) are all items that a person had to do with."""

    rows: int
    row: Codes
    item: Codes
    place: Codes
    count: Codes
    known: tuple[Codes, Codes]

    def weighted(self, weights: NDArray[Any], items: int) -> sparse.csr_array:
        """A table (rows, items) in single precision of one value an entry."""
        return sparse.csr_array((weights.astype(np.float32), (self.row, self.item)), shape=(self.rows, items))

    @property
    def cold(self) -> NDArray[np.bool_]:
        """Which rows (rows,) have no history."""
        return np.asarray(np.bincount(self.row, minlength=self.rows) == 0)


def history(events: Interactions, begin: int, end: int) -> History:
    """Of the events of one user from place `begin` up to `end`."""
    return history_of_events(events.item[begin:end], events.weight[begin:end])


def history_of_events(item: Codes, weight: Codes) -> History:
    """Of one user's events (n,) in order of time."""
    newest = item[weight > 0][::-1]
    distinct, first, count = np.unique(newest, return_index=True, return_counts=True)
    order = np.argsort(first)[:LONGEST]
    return History(distinct[order], count[order].astype(np.int64), np.unique(item))


def requests_of(histories: Sequence[History]) -> Requests:
    """One row for each history."""
    row = np.repeat(np.arange(len(histories)), [len(one.item) for one in histories])
    item = _joined([one.item for one in histories])
    place = _joined([np.arange(len(one.item)) for one in histories])
    order = np.lexsort((item, row))
    known_row = np.repeat(np.arange(len(histories)), [len(one.known) for one in histories])
    known = known_row, _joined([one.known for one in histories])
    count = _joined([one.count for one in histories])
    return Requests(len(histories), row[order], item[order], place[order], count[order], known)


def _joined(arrays: Sequence[Codes]) -> Codes:
    return np.concatenate([np.zeros(0, np.int64), *arrays]).astype(np.int64)
