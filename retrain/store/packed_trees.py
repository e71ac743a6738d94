"""Boosted trees packed for their file: all nodes in one array. Skops writes and reads each array of each tree apart,
about two milliseconds a tree, and 40 classes have thousands of trees."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

BOOSTED = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
BITSETS = ("binned_left_cat_bitsets", "raw_left_cat_bitsets")
"""Which categories go left, (splits by category, 8) of each tree: as bins, and as the codes of the rows."""


def pack(estimator: Any) -> Any:
    """The estimator as it is stored; others than boosted trees as they are."""
    if type(estimator) not in BOOSTED or not getattr(estimator, "_predictors", None):
        return estimator
    trees = [tree for trees in estimator._predictors for tree in trees]
    nodes = np.zeros(sum(len(tree.nodes) for tree in trees), dtype=PREDICTOR_RECORD_DTYPE)
    np.concatenate([tree.nodes for tree in trees], out=nodes)
    packed = copy.copy(estimator)
    packed._predictors = {
        "trees_an_iteration": len(estimator._predictors[0]),
        "nodes": nodes,
        "nodes_of_tree": np.array([len(tree.nodes) for tree in trees]),
        "splits_of_tree": np.array([len(tree.raw_left_cat_bitsets) for tree in trees]),
        **{name: np.concatenate([getattr(tree, name) for tree in trees]) for name in BITSETS},
    }
    return packed


def unpack(estimator: Any) -> Any:
    """The inverse, in place; what earlier versions stored has its trees."""
    packed = getattr(estimator, "_predictors", None)
    if not isinstance(packed, dict):
        return estimator
    nodes = _parts(packed["nodes"], packed["nodes_of_tree"])
    binned, raw = (_parts(packed[name], packed["splits_of_tree"]) for name in BITSETS)
    trees = [TreePredictor(*arrays) for arrays in zip(nodes, binned, raw, strict=True)]
    width = packed["trees_an_iteration"]
    estimator._predictors = [trees[start : start + width] for start in range(0, len(trees), width)]
    return estimator


def _parts(array: NDArray[Any], lengths: NDArray[np.int64]) -> list[NDArray[Any]]:
    return np.split(array, np.cumsum(lengths)[:-1])
