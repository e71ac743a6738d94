"""Boosted trees are stored packed: quick to write and read however many there are, and the same bits come back."""

import io

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

from retrain.store import model_file
from retrain.store.digest import skops_digest

RNG = np.random.default_rng(5)
X = np.column_stack([RNG.normal(size=400), RNG.integers(0, 9, 400), RNG.normal(size=400)])
SIGNAL = X[:, 0] + (X[:, 1] > 4)


def trained(kind: str):
    """Boosted trees with a column of categories."""
    if kind == "numbers":
        return HistGradientBoostingRegressor(max_iter=9, categorical_features=[1]).fit(X, SIGNAL)
    y = SIGNAL > 0 if kind == "two classes" else np.clip(np.rint(SIGNAL), -1, 2)
    return HistGradientBoostingClassifier(max_iter=9, categorical_features=[1]).fit(X, y)


@pytest.mark.parametrize("kind", ["numbers", "two classes", "four classes"])
def test_packed_trees_come_back_bit_by_bit(kind, tmp_path):
    """Splits by number and by category; what is written again has the same digest; the trained one is untouched."""
    estimator, path = trained(kind), tmp_path / "model.skops"
    before = estimator.predict(X)
    path.write_bytes(model_file.dump(estimator))
    digest, loaded = skops_digest(path), model_file.load(path)
    for answer in ("predict", "predict_proba"):
        if hasattr(estimator, answer):
            np.testing.assert_array_equal(getattr(loaded, answer)(X), getattr(estimator, answer)(X))
    np.testing.assert_array_equal(estimator.predict(X), before)
    assert [len(trees) for trees in loaded._predictors] == [len(trees) for trees in estimator._predictors]
    path.write_bytes(model_file.dump(loaded))
    assert skops_digest(path) == digest


def test_many_trees_are_few_arrays():
    """Skops takes milliseconds for each."""
    data = model_file.dump(trained("four classes"))
    assert "TreePredictor" not in str(skops.io.get_untrusted_types(data=data))
    assert len(skops.io._persist.ZipFile(io.BytesIO(data)).namelist()) < 40


def test_what_was_stored_before_is_read(tmp_path):
    """Each tree by itself, and an estimator without trees."""
    for estimator in (trained("four classes"), LogisticRegression().fit(X, SIGNAL > 0)):
        (tmp_path / "model.skops").write_bytes(skops.io.dumps(estimator))
        loaded = model_file.load(tmp_path / "model.skops")
        np.testing.assert_array_equal(loaded.predict_proba(X), estimator.predict_proba(X))
