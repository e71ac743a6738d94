"""Contributions to the sums of boosted trees: Shapley's values, as all subsets of the features give them."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from retrain.model.accelerate import TreeLoop, looped, made_up_rows
from retrain.model.explaining.tree_paths import leaves_of, paths_of
from retrain.model.explaining.tree_shap import TreeShap
from retrain.store.packed_trees import pack, unpack

CATEGORICAL = [False, True, False, True, False]
"""Numbers and codes take turns: within the estimator the codes come first."""


def learned(
    rows: int, seed: int, classes: int | None = None, shift: float = 0.0, **params: object
) -> tuple[object, np.ndarray]:
    """Fitted trees and what they learned from: numbers and codes, some of them missing, which interact."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 5))
    X[:, 1], X[:, 3] = rng.integers(0, 12, rows), rng.integers(0, 70, rows)
    signal = X[:, 0] * (X[:, 1] % 3 - 1) + (X[:, 3] % 7 > 3) * X[:, 2] + 0.1 * rng.normal(size=rows)
    X[rng.random(X.shape) < 0.1] = np.nan
    settings = {"max_iter": 6, "max_leaf_nodes": 8, "categorical_features": CATEGORICAL, "early_stopping": False}
    if classes is None:
        return HistGradientBoostingRegressor(**{**settings, **params}).fit(X, np.abs(signal) + shift), X
    y = np.digitize(signal, np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1]))
    return HistGradientBoostingClassifier(**{**settings, **params}).fit(X, y), X


def by_all_subsets(estimator: object, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Base (k,) and contributions (features, k) of one row by the definition: what the trees say where the features of
    a subset are known, a split by another feature going both ways by the shares of its training rows."""
    mapper, categorical = estimator._bin_mapper, np.zeros(len(x), dtype=bool)
    if estimator.categorical_features is not None:
        categorical[:] = estimator.categorical_features
    known, places = mapper.make_known_categories_bitsets()
    order = [*np.flatnonzero(categorical), *np.flatnonzero(~categorical)]
    row = x.copy()
    encoders = (
        [] if estimator._preprocessor is None else estimator._preprocessor.named_transformers_["encoder"].categories_
    )
    for code, column in zip(encoders, np.flatnonzero(categorical)[: len(encoders)], strict=True):
        found = np.flatnonzero(code == x[column])
        row[column] = found[0] if len(found) else np.nan

    def goes_left(tree: object, node: np.void) -> bool:
        value = row[order[node["feature_idx"]]]
        if np.isnan(value):
            return bool(node["missing_go_to_left"])
        if not node["is_categorical"]:
            return bool(value <= node["num_threshold"])
        has = lambda bits: bool(bits[int(value) // 32] >> (int(value) % 32) & 1)  # noqa: E731
        if has(tree.raw_left_cat_bitsets[node["bitset_idx"]]):
            return True
        return not has(known[places[node["feature_idx"]]]) and bool(node["missing_go_to_left"])

    def mean(tree: object, at: int, subset: frozenset[int]) -> float:
        node = tree.nodes[at]
        if node["is_leaf"]:
            return float(node["value"])
        left, right = int(node["left"]), int(node["right"])
        if order[node["feature_idx"]] in subset:
            return mean(tree, left if goes_left(tree, node) else right, subset)
        share = tree.nodes[left]["count"] / node["count"]
        return share * mean(tree, left, subset) + (1 - share) * mean(tree, right, subset)

    def value(subset: frozenset[int]) -> np.ndarray:
        return estimator._baseline_prediction[0] + np.sum(
            [[mean(tree, 0, subset) for tree in trees] for trees in estimator._predictors], axis=0
        )

    d = len(x)
    values = {frozenset(s): value(frozenset(s)) for size in range(d + 1) for s in combinations(range(d), size)}
    found = np.zeros((d, len(values[frozenset()])))
    for subset, without in values.items():
        weight = factorial(len(subset)) * factorial(d - len(subset) - 1) / factorial(d) if len(subset) < d else 0
        for feature in set(range(d)) - subset:
            found[feature] += weight * (values[subset | {feature}] - without)
    return values[frozenset()], found


KINDS = {
    "two classes": {"classes": 2},
    "four classes": {"classes": 4, "max_iter": 2},
    "numbers": {},
    "counts, by their logarithm": {"loss": "poisson"},
    "depth": {"max_leaf_nodes": None, "max_depth": 9, "max_iter": 2, "min_samples_leaf": 2},
    "numbers alone": {"categorical_features": None},
}


@pytest.mark.parametrize("kind", KINDS)
def test_contributions_are_those_of_all_subsets(kind):
    """By the definition, to 1e-9: with native categories, missing values, and codes that no training row had."""
    estimator, X = learned(400, 1, **KINDS[kind])
    shap = TreeShap(estimator)
    rows = np.concatenate([X[:3], made_up_rows(estimator, 3)])
    rows[0, 3] = 71.0
    for row, given in zip(rows, shap(rows), strict=True):
        base, expected = by_all_subsets(estimator, row)
        assert np.abs(shap.base - base).max() < 1e-9 and np.abs(given - expected).max() < 1e-9


@pytest.mark.parametrize("classes", [None, 2, 3])
def test_base_and_contributions_add_up_to_the_sum_of_the_trees(classes):
    """To 1e-9 on data, on thresholds and beside them, far out and missing; deep trees, and hundreds of rows at once; also
    of trees that were stored and loaded, and are answered otherwise than by scikit-learn."""
    estimator, X = learned(1_000, 2, classes, max_iter=6 if classes is None else 3, max_leaf_nodes=None, max_depth=14)
    rows = np.concatenate([X[:200], made_up_rows(estimator, 100), np.full((1, 5), np.nan)])
    expected = estimator._raw_predict(rows)
    found = TreeShap(estimator)
    given = found(rows)
    assert np.abs(given.sum(axis=1) + found.base - expected).max() < 1e-9
    stored = looped(unpack(pack(estimator)), X)
    assert np.array_equal(TreeShap(stored)(rows[:5]), found(rows[:5]))


def test_a_feature_that_no_tree_asks_contributes_nothing():
    """Exactly 0, also where no tree asks anything: then the base is all that is said."""
    X = np.column_stack([np.arange(200.0), np.zeros(200)])
    asked = HistGradientBoostingRegressor(max_iter=3).fit(X, X[:, 0])
    assert (TreeShap(asked)(X[:4])[:, 1] == 0).all()
    stumps = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=150).fit(X, X[:, 0])
    found = TreeShap(stumps)
    assert leaves_of(stumps) == 3 and (found(X) == 0).all() and found.base[0] == pytest.approx(99.5)


def test_rows_are_explained_alike_alone_and_together(monkeypatch):
    """What is worked on at once changes no contribution beyond rounding, of rows, paths or conditions."""
    estimator, X = learned(500, 3, 2)
    together = TreeShap(estimator)(X[:300])
    monkeypatch.setattr("retrain.model.explaining.tree_paths.GROUPS", 7)
    monkeypatch.setattr("retrain.model.explaining.tree_shap.MOST_AT_ONCE", 10)
    alone = np.concatenate([TreeShap(estimator)(X[at : at + 1]) for at in (0, 7, 299)])
    assert np.allclose(together[[0, 7, 299]], alone, rtol=0, atol=1e-12)
    assert TreeShap(estimator)(X[:0]).shape == (0, 5, 1)


def test_paths_say_where_each_row_ends():
    """Exactly one path of each tree is followed by a row, in all its conditions, and its leaf has the tree's value."""
    estimator, X = learned(600, 4)
    paths = paths_of(estimator)
    rows = np.concatenate([X[:100], made_up_rows(estimator, 200)])
    followed = paths.conditions.followed(np.ascontiguousarray(TreeLoop(estimator).ordered(rows).T))
    whole = np.ones((len(paths.value), len(rows)), dtype=bool)
    np.logical_and.at(whole, paths.conditions.path, followed)
    assert (whole.sum(axis=0) == len(estimator._predictors)).all()
    assert np.allclose(paths.value @ whole + paths.start, estimator._raw_predict(rows)[:, 0])
