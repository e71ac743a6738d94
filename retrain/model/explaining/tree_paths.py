"""Fitted boosted trees as the paths to their leaves: which rows follow a path, and which share of the training rows
did.

A path asks the same feature several times; what it asks of it in all is one condition, an interval or a set of
categories, as scikit-learn's own prediction decides it: missing values and categories that are not known go where the
split sends missing ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.model.accelerate import TreeLoop
from retrain.records.predictions import Floats

WORDS = 8
"""Of 32 bits each: scikit-learn's sets of categories, which are codes below 256."""
GROUPS = 10_000
"""Combined in one call: some milliseconds."""
Places = NDArray[np.int64]
Truths = NDArray[np.bool_]
Sets = NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Conditions:
    """What paths ask of one feature each, e of these. `missing` (e,): whether a missing value follows. A number follows
    where it is above `low` and at most `high` (e,), NaN for no bound; where `is_set` (e,), a category where it is in
    its one of `sets` (e, 8), else zeros. `share` (e,): of the training rows at the splits by the feature, those that
    followed."""

    path: Places
    feature: Places
    share: Floats
    missing: Truths
    low: Floats
    high: Floats
    is_set: Truths
    sets: Sets

    def take(self, at: Any) -> "Conditions":
        """Some of them."""
        return Conditions(**{name: values[at] for name, values in vars(self).items()})

    def followed(self, columns: Floats) -> Truths:
        """Which of them n rows follow, (e, n); `columns` (features, n) are the rows as the nodes see them."""
        values = np.take(columns, self.feature, axis=0)
        low, high = self.low[:, None], self.high[:, None]
        follows = ~((values <= low) | (values > high))  # a comparison with NaN, which is no bound, is false
        missing = np.isnan(values)
        if self.is_set.any():
            chosen = np.flatnonzero(self.is_set)
            follows[chosen], missing[chosen] = _in_sets(values[chosen], self.sets[chosen])
        return np.where(missing, self.missing[:, None], follows)


@dataclass(frozen=True, eq=False)
class TreePaths:
    """All paths of fitted boosted trees: the `value` (l,) of each leaf, for which of the k numbers (`output`, (l,)) it
    counts, and what is asked on the way. `features` (p,): the feature of the model's matrix that a condition's one is.
    `start` (k,): where the sums of the leaves begin."""

    value: Floats
    output: Places
    conditions: Conditions
    features: Places
    start: Floats

    def expected(self) -> Floats:
        """The mean (k,) over the training rows as they fell into the leaves."""
        reached = np.ones(len(self.value))
        np.multiply.at(reached, self.conditions.path, self.conditions.share)
        return np.asarray(self.start + np.bincount(self.output, reached * self.value, len(self.start)))


def leaves_of(estimator: Any) -> int:
    """How many leaves all trees have together: each inner node has two children."""
    return sum((len(tree.nodes) + 1) // 2 for trees in estimator._predictors for tree in trees)


def paths_of(estimator: Any) -> TreePaths:
    """The paths of a fitted HistGradientBoosting model."""
    loop = TreeLoop(estimator)
    trees = [(k, tree) for trees in estimator._predictors for k, tree in enumerate(trees)]
    sizes = [len(tree.nodes) for _, tree in trees]
    nodes = np.concatenate([tree.nodes for _, tree in trees])
    first = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)
    leaves = np.flatnonzero(nodes["is_leaf"])
    output = np.repeat([k for k, _ in trees], sizes)[leaves]
    path, child, split, is_left = _edges(nodes, first, leaves)
    feature = nodes["feature_idx"][split].astype(np.int64)
    share = nodes["count"][child] / nodes["count"][split]
    missing = is_left == (nodes["missing_go_to_left"][split] != 0)
    is_set = nodes["is_categorical"][split] != 0
    threshold = nodes["num_threshold"][split]
    high, low = (np.where(is_set | (is_left != left), np.nan, threshold) for left in (True, False))
    counts = [len(tree.raw_left_cat_bitsets) for _, tree in trees]
    left_sets = np.concatenate([tree.raw_left_cat_bitsets.reshape(-1, WORDS) for _, tree in trees])
    set_at = np.repeat(np.cumsum([0, *counts[:-1]]), sizes)[split] + nodes["bitset_idx"][split]
    sets = np.zeros((len(path), WORDS), dtype=np.uint32)
    known = loop.bitsets[loop.places[feature[is_set]]]
    sets[is_set] = _followers(left_sets[set_at[is_set]], known, is_left[is_set], missing[is_set])
    edges = Conditions(path, feature, share, missing, low, high, is_set, sets)
    start = np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(-1)
    return TreePaths(nodes["value"][leaves], output, _joined(edges), loop.order.astype(np.int64), start)


def _edges(nodes: Any, first: Places, leaves: Places) -> tuple[Places, Places, Places, Truths]:
    """Each step of each path, upward: the path, the node that it comes from, the split above it, and whether it is the
    split's left child."""
    splits = np.flatnonzero(nodes["is_leaf"] == 0)
    parent, is_left = np.full(len(nodes), -1), np.zeros(len(nodes), dtype=bool)
    left = nodes["left"][splits] + first[splits]
    parent[left] = parent[nodes["right"][splits] + first[splits]] = splits
    is_left[left] = True
    steps = list(_steps(parent, leaves))
    path, child = (np.concatenate([step[part] for step in steps]) for part in (0, 1))
    return path, child, parent[child], is_left[child]


def _steps(parent: Places, leaves: Places) -> Iterator[tuple[Places, Places]]:
    """Level by level from the leaves: the paths that go on upward, and the nodes where they are."""
    path, at = np.arange(len(leaves)), leaves
    while True:
        inner = parent[at] >= 0
        path, at = path[inner], at[inner]
        yield path, at
        if not len(at):
            return
        at = parent[at]


def _followers(left: Sets, known: Sets, is_left: Truths, missing: Truths) -> Sets:
    """Which categories go to the child: those in the split's set to the left, other known ones to the right, and
    unknown ones where the missing go."""
    chosen = np.where(is_left[:, None], left, known & ~left)
    unknown = ~(left | known)
    return np.where(missing[:, None], chosen | unknown, chosen)


def _joined(edges: Conditions) -> Conditions:
    """All that one path asks of one feature as one condition."""
    if not len(edges.path):
        return edges
    order = np.lexsort((edges.feature, edges.path))
    edges = edges.take(order)
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (np.diff(edges.path) != 0) | (np.diff(edges.feature) != 0)
    at = np.flatnonzero(begins)
    return Conditions(
        edges.path[at],
        edges.feature[at],
        _combined(np.multiply, edges.share, at),
        _combined(np.logical_and, edges.missing, at),
        _combined(np.fmax, edges.low, at),
        _combined(np.fmin, edges.high, at),
        edges.is_set[at],
        _combined(np.bitwise_and, edges.sets, at),
    )


def _combined(combine: np.ufunc, values: Any, at: Places) -> Any:
    """The values of groups that begin `at`, combined; some groups at a time, for NumPy keeps the interpreter to itself
    meanwhile."""
    pieces = []
    for start in range(0, len(at), GROUPS):
        some = at[start : start + GROUPS]
        end = at[start + GROUPS] if start + GROUPS < len(at) else len(values)
        pieces.append(combine.reduceat(values[some[0] : end], some - some[0], axis=0))
    return np.concatenate(pieces)


def _in_sets(values: Floats, sets: Sets) -> tuple[Truths, Truths]:
    """Whether codes (c, n) are in their sets (c, 8), and which are missing: NaN, or below 0."""
    missing = ~(values >= 0)
    codes = np.where(missing, 0, np.minimum(values, 255)).astype(np.int64)
    words = np.take_along_axis(sets, codes >> 5, axis=1)
    return ((words >> (codes & 31).astype(np.uint32)) & 1).astype(bool), missing
