"""Contributions of the features to the sums of boosted trees: path-dependent TreeSHAP (Lundberg, Erion and Lee 2018,
Algorithm 2), exact, of all paths at once.

Where only some features of a row are known, a path that asks d features counts with the product, over the known ones,
of whether the row follows (o, 0 or 1), times the product, over the others, of the share z of the training rows that
followed. Shapley's weight of a set of s among the d - 1 other features, s! (d-1-s)! / d!, is the integral of
t^s (1-t)^(d-1-s) over t from 0 to 1; so a feature's contribution to a path with the value v is

    v (o - z) ∫ ∏ (t o' + (1 - t) z') dt,  the product over the path's other features,

a polynomial of degree d - 1, which Gauss and Legendre's rule with ⌈d/2⌉ points integrates exactly. All its terms are
positive: nothing is lost to cancellation, as it is where paths are extended and unwound."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.model.accelerate import TreeLoop
from retrain.model.explaining.contributions import Step, no_step
from retrain.model.explaining.tree_paths import Conditions, TreePaths, paths_of
from retrain.records.predictions import Floats

MOST_AT_ONCE = 200_000
"""Conditions times rows that are worked on in one step: arrays of 2 MB, some milliseconds."""
MOST_ROWS = 256


@dataclass(frozen=True, eq=False)
class _Block:
    """Paths to l leaves that ask `depth` features each. `conditions` (depth · l,): the first of each path, then the
    second of each …; `order` sorts them by what they contribute to, `begins` is where each of `targets` begins."""

    value: Floats
    depth: int
    conditions: Conditions
    order: NDArray[np.int64]
    begins: NDArray[np.int64]
    targets: NDArray[np.int64]

    def contributions(self, columns: Floats) -> Floats:
        """Of n rows, `columns` (features, n), to each of `targets`: (targets, n)."""
        shape = (self.depth, len(self.value), columns.shape[1])
        followed = self.conditions.followed(columns).reshape(shape)
        share = self.conditions.share.reshape(*shape[:2], 1)
        total = np.zeros(shape)
        for t, weight in zip(*_points(self.depth), strict=True):
            factor = np.where(followed, t + (1 - t) * share, (1 - t) * share)
            product = factor.prod(axis=0)
            product *= (weight * self.value)[:, None]
            total += np.divide(product, factor, out=factor)
        total *= followed - share
        return np.add.reduceat(np.take(total.reshape(-1, shape[2]), self.order, axis=0), self.begins, axis=0)


class TreeShap:
    """Of one fitted HistGradientBoosting model; `base` (k,) is the mean of its sums over the training rows."""

    def __init__(self, estimator: Any) -> None:
        self._loop = TreeLoop(estimator)
        paths = paths_of(estimator)
        self.base = paths.expected()
        self._features = paths.features
        self._blocks = _blocks(paths)

    def __call__(self, X: Floats, step: Step = no_step) -> Floats:
        """Contributions (n, features, k) for X (n, features); with the base they are what `_raw_predict` says of it."""
        pieces = [self._some(X[start : start + MOST_ROWS], step) for start in range(0, len(X), MOST_ROWS)]
        return np.concatenate(pieces) if pieces else np.zeros((0, len(self._features), len(self.base)))

    def _some(self, X: Floats, step: Step) -> Floats:
        """The same of a few rows."""
        columns = np.ascontiguousarray(self._loop.ordered(X).T)
        width, outputs = len(self._features), len(self.base)
        sums = np.zeros((width * outputs, len(X)))
        for block in self._blocks:
            rows = max(1, MOST_AT_ONCE // len(block.order))
            for start in range(0, len(X), rows):
                step()
                some = slice(start, start + rows)
                sums[block.targets, some] += block.contributions(columns[:, some])
        found = np.empty((len(X), width, outputs))
        found[:, self._features] = sums.reshape(width, outputs, len(X)).transpose(2, 0, 1)
        return found


@cache
def _points(degree: int) -> tuple[Floats, Floats]:
    """Points and weights on [0, 1] of the rule that is exact for polynomials of a degree below."""
    at, weight = np.polynomial.legendre.leggauss(-(-degree // 2))
    return (at + 1) / 2, weight / 2


def _blocks(paths: TreePaths) -> list[_Block]:
    """Paths by how many features they ask, in blocks of at most MOST_AT_ONCE conditions; those that ask none contribute
    nothing."""
    asked = np.bincount(paths.conditions.path, minlength=len(paths.value))
    begins = np.cumsum(asked) - asked
    blocks = []
    for depth in range(1, int(asked.max(initial=0)) + 1):
        leaves = np.flatnonzero(asked == depth)
        most = max(1, MOST_AT_ONCE // depth)
        for start in range(0, len(leaves), most):
            some = leaves[start : start + most]
            blocks.append(_block(paths, some, begins[some] + np.arange(depth)[:, None]))
    return blocks


def _block(paths: TreePaths, leaves: NDArray[np.int64], at: NDArray[np.int64]) -> _Block:
    """Of these leaves; `at` (d, l) are the places of their conditions."""
    conditions = paths.conditions.take(at.reshape(-1))
    outputs = len(paths.start)
    target = conditions.feature * outputs + np.tile(paths.output[leaves], len(at))
    order = np.argsort(target, kind="stable")
    targets, begins = np.unique(target[order], return_index=True)
    return _Block(paths.value[leaves], len(at), conditions, order, begins, targets)
