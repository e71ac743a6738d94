"""Boosted trees asked all at once: masks say which leaves of each tree a cell leaves open.

A node that sends a row to the right rules out the leaves on its left, one that sends it to the left none. Of the leaves
that no node of a tree rules out, on the row's path or off it, the row ends in the leftmost. Which leaves a cell rules
out depends on its bin alone: a table has them for each bin of each column, and a row's leaves are the bitwise and of
one entry a column, however deep the trees are. (Lucchese et al., QuickScorer, SIGIR 2015, with bins in place of sorted
thresholds, and NumPy's operations over all trees in place of loops.)"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.records.errors import Refused
from retrain.records.predictions import Floats

MOST_LEAVES = 64
"""The bits of the largest number."""
MOST_BYTES = 2**26
CELLS = 2**16
"""So many leaves, rows times trees, are looked for at once: more leave the processor's cache."""
EXPONENTS = {4: (np.float32, np.int32, 23, 127), 8: (np.float64, np.int64, 52, 1023)}
"""Where a power of two of so many bytes has its exponent: the number, its bits, their shift and bias."""


class LeafMasks:
    """Takes the place of `estimator._raw_predict`. `ordered` gives rows as their nodes see them. Refused for trees of
    more than MOST_LEAVES leaves, and for tables of more than MOST_BYTES."""

    def __init__(self, estimator: Any, ordered: Callable[[Floats], Floats]) -> None:
        from sklearn.ensemble._hist_gradient_boosting._binning import _map_to_bins

        self.estimator, self._ordered, self._to_bins = estimator, ordered, _map_to_bins
        trees = [tree for trees in estimator._predictors for tree in trees]
        nodes = np.concatenate([tree.nodes for tree in trees])
        sizes = np.array([len(tree.nodes) for tree in trees])
        starts = np.cumsum(sizes) - sizes
        tree = np.repeat(np.arange(len(trees)), sizes)
        is_leaf = nodes["is_leaf"].astype(bool)
        before = np.cumsum(is_leaf) - is_leaf  # leaves before each node
        self._first = before[starts]
        self._values = nodes["value"][is_leaf]
        inner = np.flatnonzero(~is_leaf)
        left, right = (nodes[side][inner].astype(np.intp) + starts[tree[inner]] for side in ("left", "right"))
        if not ((left == inner + 1) & (right > left)).all():
            raise Refused("the nodes of the trees are not in the order of their paths")
        most = int(np.bincount(tree[is_leaf]).max())
        if most > MOST_LEAVES:
            raise Refused(f"a tree has {most} leaves; there are masks for {MOST_LEAVES}")
        word = np.uint32 if most <= 32 else np.uint64
        at, to = ((before[side] - self._first[tree[inner]]).astype(np.uint64) for side in (left, right))
        one = np.uint64(1)
        open_if_right = (~(((one << (to - at)) - one) << at)).astype(word)
        self._table(trees, nodes[inner], tree[inner], open_if_right)

    def _table(self, trees: list[Any], nodes: Any, tree: NDArray[np.intp], open_if_right: NDArray[Any]) -> None:
        bins = self.estimator._bin_mapper
        self._used = np.unique(nodes["feature_idx"])
        known = bins.n_bins_non_missing_[self._used].astype(np.intp)
        self._thresholds = [bins.bin_thresholds_[feature] for feature in self._used]
        self._categorical = np.ascontiguousarray(bins.is_categorical_[self._used])
        self._missing, self._last = known.astype(np.uint8)[:, None], bins.missing_values_bin_idx_
        first = np.cumsum(known + 1) - (known + 1)  # the last row of a column is that of a missing cell
        self._rows = first[:, None]
        rows = int((known + 1).sum())
        if (size := rows * len(trees) * open_if_right.itemsize) > MOST_BYTES:
            raise Refused(f"the masks of all leaves have {size / 1e6:.0f} MB; {MOST_BYTES / 1e6:.0f} at most")
        self._masks = np.full((rows, len(trees)), np.iinfo(open_if_right.dtype).max, open_if_right.dtype)
        column, codes = np.searchsorted(self._used, nodes["feature_idx"]), nodes["is_categorical"].astype(bool)
        after = nodes["bin_threshold"].astype(np.intp) + 1  # the first bin that goes to the right
        self._close(~codes & (after < known[column]), first[column] + after, tree, open_if_right)
        for start, count in zip(first[self._categorical == 0], known[self._categorical == 0], strict=True):
            of_column = self._masks[start : start + count]
            np.bitwise_and.accumulate(of_column, axis=0, out=of_column)
        self._close(nodes["missing_go_to_left"] == 0, (first + known)[column], tree, open_if_right)
        for node in np.flatnonzero(codes):
            bits = trees[tree[node]].binned_left_cat_bitsets[nodes["bitset_idx"][node]]
            goes_left = np.unpackbits(bits.view(np.uint8), count=int(known[column[node]]), bitorder="little")
            self._masks[first[column[node]] + np.flatnonzero(goes_left == 0), tree[node]] &= open_if_right[node]

    def _close(self, which: NDArray[np.bool_], row: NDArray[Any], tree: NDArray[Any], still_open: NDArray[Any]) -> None:
        np.bitwise_and.at(self._masks, (row[which], tree[which]), still_open[which])

    def __call__(self, X: Floats, n_threads: int | None = None) -> Floats:  # noqa: ARG002 - one thread
        """Sums of all trees (n, k) for X (n, features)."""
        start = self.estimator._baseline_prediction
        sums = np.empty((len(X), start.shape[1]), dtype=np.float64, order="F")
        step = max(1, CELLS // self._masks.shape[1])
        for at in range(0, len(X), step):
            sums[at : at + step] = added(self._leaves(X[at : at + step]), start)
        return sums

    def _leaves(self, X: Floats) -> Floats:
        """The value (n, trees) of the leaf that each row ends in, of each tree."""
        binned = np.empty((len(X), len(self._used)), dtype=np.uint8, order="F")
        seen = np.ascontiguousarray(self._ordered(X)[:, self._used])
        self._to_bins(seen, self._thresholds, self._categorical, self._last, 1, binned)
        rows = np.minimum(binned.T, self._missing) + self._rows
        left = np.full((len(X), self._masks.shape[1]), np.iinfo(self._masks.dtype).max, self._masks.dtype)
        room = np.empty_like(left)
        for of_column in rows:
            np.take(self._masks, of_column, axis=0, out=room, mode="clip")  # another mode copies `out`
            np.bitwise_and(left, room, out=left)
        number, bits, shift, bias = EXPONENTS[left.itemsize]
        leftmost = (left & -left).astype(number).view(bits) >> shift
        values: Floats = self._values.take(leftmost + (self._first - bias))
        return values


def added(values: Floats, start: Floats) -> Floats:
    """What each tree says (n, trees), of k trees a round, added to `start` (1, k) one after the other, as scikit-learn
    does, where a sum would add in pairs: (n, k). `values` is used up."""
    of_rounds = values.reshape(len(values), -1, start.shape[1])
    of_rounds[:, 0] += start
    sums: Floats = np.add.accumulate(of_rounds, axis=1, out=of_rounds)[:, -1]
    return sums
