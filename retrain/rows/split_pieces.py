"""Which rows of a window train and which are held out, as `retrain.rows.window: split` says it, of rows that are known
piece by piece."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from retrain.records.errors import Refused
from retrain.records.predictions import Floats
from retrain.records.settings import WindowSettings
from retrain.rows.held_out import NEWEST_FILES, describe
from retrain.rows.row_index import Mask, Piece
from retrain.rows.window import FEWEST_NEWER, described, too_few, weights_by_age
from retrain.rows.window_reach import SMALLEST_WEIGHT

SIGN = 1 << 63


class PieceSplit:
    """Of pieces of files; `pools` and `age` are of each file by its seq, `old` the files from before the champion (None
    without one). Refused as `split` refuses."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        pools: Mapping[int, int],
        age: Mapping[int, float],
        settings: WindowSettings,
        alone: bool,
        old: Collection[int] | None,
    ) -> None:
        self.pools, self._age, self._settings = dict(pools), age, settings
        self._ordered = sorted(set(pools.values()))
        self.newest = set(self._ordered[-NEWEST_FILES:])
        self._since = -np.inf
        if settings.kind == "last":
            assert settings.last is not None
            newest = max(float(piece.times[~piece.dropped].max()) for piece in pieces if not piece.dropped.all())
            self._since = newest - settings.last
        self._from = self._oldest_to_train(pieces)
        self._held, self._files = self._held_out(pieces, alone, old)
        self.train_rows = self.holdout_rows = 0
        self.cut = -np.inf
        for piece in pieces:
            train, holdout = self.of(piece)
            self.train_rows += int(train.sum())
            self.holdout_rows += int(holdout.sum())
            if train.any():
                self.cut = max(self.cut, float(piece.times[train].max()))
        if not self.train_rows:
            raise Refused("no rows are left to train on", "drop more labelled files")
        self.description = described(settings, self.train_rows, self.holdout_rows)
        self.held_out = describe(self._files, alone)

    def of(self, piece: Piece) -> tuple[Mask, Mask]:
        """Which of its rows train, and which are held out, (n,) both."""
        pool = self.pools.get(piece.seq)
        nothing = np.zeros(len(piece), dtype=bool)
        if pool is None:
            return nothing, nothing
        holdout = piece.reserved & ~piece.seen & ~piece.dropped if pool in self._held else nothing
        train = self._chosen(piece) & (piece.times >= self._from) & ~holdout
        return (train & ~piece.reserved if pool in self.newest else train), holdout

    def weight(self, piece: Piece) -> float:
        """How much each of its rows counts."""
        return float(weights_by_age(np.array([self._age[piece.seq]]), self._settings)[0])

    def _chosen(self, piece: Piece) -> Mask:
        """The rows of the window."""
        settings, pool = self._settings, self.pools.get(piece.seq)
        outside = pool is None
        if pool is not None and settings.kind == "files":
            assert settings.files is not None
            outside = pool < self._ordered[-settings.files :][0]
        elif pool is not None and settings.kind == "decay":
            outside = self.weight(piece) < SMALLEST_WEIGHT
        if outside:
            return np.zeros(len(piece), dtype=bool)
        chosen: Mask = ~piece.dropped
        return chosen & (piece.times > self._since) if settings.kind == "last" else chosen

    def _oldest_to_train(self, pieces: Sequence[Piece]) -> float:
        """The event time since which rows train, as many as `max_rows` lets."""
        chosen, most = [(piece, self._chosen(piece)) for piece in pieces], self._settings.max_rows
        if sum(int(np.count_nonzero(mask)) for _, mask in chosen) <= most:
            return -np.inf
        return largest([piece.times[mask] for piece, mask in chosen if mask.any()], most)

    def _held_out(self, pieces: Sequence[Piece], alone: bool, old: Collection[int] | None) -> tuple[set[int], int]:
        """The pools whose reserved rows are held out, and how many these are."""
        least, by_pool, newer = self._settings.holdout_min_rows, dict.fromkeys(self._ordered, 0), 0
        for piece in pieces:
            if piece.seq in self.pools:
                many = int(np.count_nonzero(piece.reserved & ~piece.seen & ~piece.dropped))
                by_pool[self.pools[piece.seq]] += many
                newer += many if old is not None and piece.seq not in old else 0
        if old is not None and newer >= FEWEST_NEWER:
            least = min(least, newer)
        files = self._ordered[::-1]
        reached = np.flatnonzero(np.cumsum([by_pool[pool] for pool in files[:100]]) >= least)
        needed = max(NEWEST_FILES, int(reached[0]) + 1 if len(reached) else len(files))
        held = files[:needed]
        available = sum(by_pool[pool] for pool in held)
        if available < least:
            raise too_few(available, self._settings, alone)
        return set(held), len(held)


def largest(arrays: Sequence[Floats], place: int) -> float:
    """The value at that place, from 1, of all finite values in descending order, found by halves, without a copy.

    >>> largest([np.array([5.0, -1.0]), np.array([3.0])], 2), largest([np.array([-2.0, -3.0])], 2)
    (3.0, -3.0)
    """
    low = _ordered(min(float(one.min()) for one in arrays if len(one)))
    high = _ordered(max(float(one.max()) for one in arrays if len(one)))
    while low < high:
        middle = (low + high + 1) // 2
        value = _value(middle)
        if sum(int(np.count_nonzero(one >= value)) for one in arrays) >= place:
            low = middle
        else:
            high = middle - 1
    return _value(low)


def _ordered(value: float) -> int:
    """A float as a whole number, in the same order."""
    bits = int(np.float64(value).view(np.uint64))
    return 2 * SIGN - 1 - bits if bits & SIGN else bits + SIGN


def _value(ordered: int) -> float:
    bits = ordered - SIGN if ordered & SIGN else 2 * SIGN - 1 - ordered
    return float(np.uint64(bits).view(np.float64))
