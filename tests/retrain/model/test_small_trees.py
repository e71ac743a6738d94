"""Small trees say what scikit-learn's estimator of the same rows says, to the last bit."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from retrain.model import small_trees
from retrain.model.small_trees import SmallTrees, fitted

PARAMS = {"max_iter": 6, "max_leaf_nodes": 8, "min_samples_leaf": 10, "learning_rate": 0.6, "early_stopping": False}
CODES = [False, True, False, False, True, False]


def problem(classes: int, rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """X (rows, 6): numbers of many and of few values, infinite, missing, and two columns of codes; y of so many
    classes, 0 for numbers."""
    rng = np.random.default_rng([7, classes])
    X = np.column_stack([
        rng.normal(size=rows), rng.integers(0, 4, rows), rng.integers(0, 9, rows) / 4, rng.normal(size=rows),
        rng.integers(0, 70, rows), np.where(rng.random(rows) < 0.1, np.inf, rng.normal(size=rows)),
    ])  # fmt: skip
    z = X[:, 0] + (X[:, 1] == 2) + X[:, 2] * X[:, 3] + (X[:, 4] % 5) / 5
    X[rng.random(X.shape) < [0.05, 0.05, 0.0, 0.0, 0.0, 0.0]] = np.nan
    return X, z if not classes else np.digitize(z, np.quantile(z, np.arange(1, classes) / classes))


def made(classes: int, **params: Any) -> Any:
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return kind(**PARAMS, random_state=3, **params)


def says(fitted_trees: Any, X: np.ndarray, classes: int) -> np.ndarray:
    return np.asarray(fitted_trees.predict_proba(X) if classes else fitted_trees.predict(X))


@pytest.mark.parametrize(("categorical", "bins"), [(None, 31), (None, 255), (CODES, 80)])
@pytest.mark.parametrize("classes", [0, 2, 3, 12])
def test_every_bit_is_scikit_learns(classes, categorical, bins):
    """Of numbers, two classes and several; with and without codes, of which some are not in training; however many
    bins."""
    X, y = problem(classes)
    X[X[:, 4] == 7, 4] = 8.0
    asked = np.vstack([X, np.roll(X, 3, axis=0), np.full((1, 6), np.nan)])
    asked[:20, 4] = 7.0
    params = {"max_bins": bins} | ({} if categorical is None else {"categorical_features": categorical})
    own, other = fitted(made(classes, **params), X, y), made(classes, **params).fit(X, y)
    assert isinstance(own, SmallTrees)
    assert np.array_equal(says(own, asked, classes), says(other, asked, classes))


def test_there_may_be_codes_alone():
    """No column has bins to seek."""
    X, y = problem(2)
    codes, params = X[:, [1, 4]], {"max_bins": 80, "categorical_features": [True, True]}
    own, other = fitted(made(2, **params), codes, y), made(2, **params).fit(codes, y)
    assert isinstance(own, SmallTrees) and np.array_equal(says(own, codes, 2), says(other, codes, 2))


def test_a_column_of_one_value_or_none_is_left_out():
    """And the others are learned from."""
    X, y = problem(2)
    full = fitted(made(2), X, y)
    X[:, 3] = np.nan
    X[:, 2] = 1.0
    own = fitted(made(2), X, y)
    assert np.ptp(says(own, X, 2)[:, 1]) > 0.5 and not np.array_equal(says(own, X, 2), says(full, X, 2))


def test_where_a_bit_differs_scikit_learn_fits(monkeypatch):
    """As with another scikit-learn, whose parts are others; so where they cannot be called."""
    X, y = problem(2)
    expected = made(2).fit(X, y).predict_proba(X)
    for grown in (lambda *asked: made(2).fit(*asked[1:3]), lambda *asked: asked[9]):
        small_trees._is_proven.cache_clear()
        monkeypatch.setattr(small_trees, "grown", grown)
        found = fitted(made(2), X, y)
        assert isinstance(found, HistGradientBoostingClassifier)
        assert np.array_equal(found.predict_proba(X), expected)
    small_trees._is_proven.cache_clear()
