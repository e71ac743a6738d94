"""Accelerated trees and compiled rows say what scikit-learn and the preprocessor say, to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
from learning import published, rows, schema, table
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier

from retrain.model import accelerate
from retrain.model.accelerate import accelerated, accelerated_version, by_bins, looped, made_up_rows, proof_on
from retrain.model.encoding import RowEncoder
from retrain.model.leaf_masks import LeafMasks
from retrain.model.preprocessing import Preprocessor
from retrain.records.errors import Refused
from retrain.store.versions import load_version

MASK = [False, False, False, True, True]
KINDS = ["regression", "poisson", "two", "five", "rare"]


def problem(kind: str, n: int = 3000) -> tuple[np.ndarray, np.ndarray, object]:
    """X (n, 5) with missing values and two columns of codes, y, and untrained trees."""
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.normal(size=(n, 3)), rng.integers(0, 5, n), rng.integers(0, 60, n)]).astype(float)
    z = X[:, 0] + X[:, 1] * X[:, 2] + (X[:, 3] == 2) + (X[:, 4] % 7) / 7
    X[rng.random(X.shape) < 0.08] = np.nan
    params = {"max_iter": 40, "categorical_features": MASK}
    if kind == "regression":
        return X, z * 1e3, HistGradientBoostingRegressor(**params)
    if kind == "poisson":
        return X, rng.poisson(np.exp(z / 3)).astype(float), HistGradientBoostingRegressor(loss="poisson", **params)
    cuts = {"two": [0.5], "five": [0.2, 0.4, 0.6, 0.8], "rare": [0.995]}[kind]
    return X, np.digitize(z, np.quantile(z, cuts)), HistGradientBoostingClassifier(**params)


@pytest.mark.parametrize("kind", KINDS)
def test_every_bit_is_scikit_learns(kind):
    """For all sizes of a batch, unseen and missing categories, thresholds and their neighbours, and every class."""
    X, y, trees = problem(kind)
    trees.fit(X, y)
    fast = accelerated(trees, X)
    slow = looped(trees, X)
    asked = np.vstack([made_up_rows(trees, 2000), X[:500], np.full((1, 5), np.nan)])
    loop = accelerate.TreeLoop(trees)
    for way in (fast._raw_predict, slow._raw_predict, loop, LeafMasks(trees, loop.ordered), accelerate.TreeSums(trees)):
        assert np.array_equal(way(asked), trees._raw_predict(asked))
    method = "predict" if not hasattr(trees, "predict_proba") else "predict_proba"
    for size in (1, 2, 7, 64, 300, 2501):
        assert np.array_equal(getattr(fast, method)(asked[:size]), getattr(trees, method)(asked[:size]))
        assert np.array_equal(getattr(slow, method)(asked[:size]), getattr(trees, method)(asked[:size]))
    assert np.array_equal(fast.predict(asked), trees.predict(asked))


@pytest.mark.parametrize("leaves", [2, 32, 33, 64])
def test_masks_have_a_bit_for_each_leaf(leaves):
    """Of numbers of 32 bits and of 64; trees of one leaf, too, as where nothing is to be learned."""
    X, y, _ = problem("regression")
    trees = HistGradientBoostingRegressor(
        max_iter=8, max_leaf_nodes=leaves, min_samples_leaf=5, categorical_features=MASK
    )
    asked = np.vstack([made_up_rows(trees.fit(X, y), 2000), X])
    for fitted in (trees, HistGradientBoostingRegressor(max_iter=3).fit(X, np.ones(len(X)))):
        quick = by_bins(fitted)
        assert isinstance(quick._raw_predict, LeafMasks)
        assert np.array_equal(quick._raw_predict(asked), fitted._raw_predict(asked))


def test_trees_of_more_leaves_than_bits_are_looped_over():
    """And left to scikit-learn where bins are asked for."""
    X, y, _ = problem("regression")
    trees = HistGradientBoostingRegressor(max_iter=3, max_leaf_nodes=100, min_samples_leaf=5).fit(X, y)
    assert by_bins(trees) is trees
    assert {type(way) for way in looped(trees, X)._raw_predict.ways} == {accelerate.TreeLoop}


@pytest.mark.parametrize("mask", [None, [False, False, False, False, True]])
def test_the_loop_knows_estimators_with_and_without_categories(mask):
    """Codes that were not in the training rows, and no categories at all."""
    X, y, _ = problem("two")
    X[X[:, 4] == 7, 4] = 60.0
    trees = HistGradientBoostingClassifier(max_iter=20, categorical_features=mask).fit(X[:, :5], y)
    asked = made_up_rows(trees, 1000)
    asked[:30, 4] = 7.0
    assert np.array_equal(looped(trees, X).predict_proba(asked), trees.predict_proba(asked))


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("kind", KINDS)
def test_trees_asked_by_bins_give_the_same_bits(kind, mask):
    """On, beside and far from every threshold, of codes that were not in training, and of missing cells."""
    X, y, trees = problem(kind)
    X[X[:, 4] == 7, 4] = 60.0
    trees.set_params(categorical_features=mask).fit(X, y)
    quick = by_bins(trees)
    assert isinstance(quick._raw_predict, LeafMasks)
    asked = np.vstack([made_up_rows(trees, 3000), X, np.full((1, 5), np.nan)])
    asked[:40, 4] = 7.0
    asked[:40, 0] = [np.inf, -np.inf] * 20
    assert np.array_equal(quick._raw_predict(asked), trees._raw_predict(asked))
    method = "predict" if not hasattr(trees, "predict_proba") else "predict_proba"
    assert np.array_equal(getattr(quick, method)(asked), getattr(trees, method)(asked))


def test_by_bins_what_differs_is_left_to_scikit_learn(monkeypatch):
    """And what is no boosted tree."""
    X, y, trees = problem("two")
    trees.fit(X, y)
    monkeypatch.setattr(LeafMasks, "__call__", lambda self, X: self.estimator._raw_predict(X) + 1e-12)
    assert by_bins(trees) is trees
    forest = RandomForestClassifier(2)
    assert by_bins(forest) is forest


def test_made_up_rows_reach_every_category_and_both_sides_of_every_threshold():
    """So that the proof means something."""
    X, y, trees = problem("two")
    trees.fit(X, y)
    made = made_up_rows(trees, 20_000)
    assert set(np.unique(made[:, 3][~np.isnan(made[:, 3])])) == {0, 1, 2, 3, 4}
    assert np.isnan(made).mean(axis=0).min() > 0.03
    nodes = np.concatenate([tree.nodes for trees_ in trees._predictors for tree in trees_])
    numeric = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
    thresholds = {float(node["num_threshold"]) for node in numeric}
    reached = set(made[:, :3].ravel().tolist())
    above = {float(np.nextafter(t, np.inf)) for t in thresholds}
    assert len(thresholds & reached) > 0.95 * len(thresholds) and len(above & reached) > 0.95 * len(above)


def test_one_wrong_bit_is_refused(monkeypatch):
    """A runtime that is off by the smallest amount is never used; the reason says by how much."""
    X, y, trees = problem("two")
    trees.fit(X, y)
    right = accelerate.TreeliteTrees.__call__

    def nearly(self, asked):
        said = right(self, asked)
        said[-1, 0] = np.nextafter(said[-1, 0], np.inf) + 1e-12
        return said

    monkeypatch.setattr(accelerate.TreeliteTrees, "__call__", nearly)
    with pytest.raises(Refused, match=r"answers 1 of .* rows otherwise than scikit-learn"):
        accelerated(trees, X)
    assert proof_on(trees, X)["identical"] is False


def test_other_estimators_are_left_to_scikit_learn():
    """With a reason, not an error."""
    X, y, _ = problem("two")
    forest = RandomForestClassifier(5).fit(np.nan_to_num(X), y)
    assert "RandomForestClassifier is answered by scikit-learn" in proof_on(forest, X)["reason"]


@pytest.mark.parametrize("proof", [None, {"identical": False, "reason": "differs"}])
def test_a_version_without_a_proof_on_held_out_rows_is_not_accelerated(tmp_path, proof):
    """The made-up rows alone are not enough."""
    version = load_version(published(tmp_path))
    version = replace(version, evaluation={**version.evaluation, "runtime": proof})
    with pytest.raises(Refused, match=r"no proof|differs"):
        accelerated_version(version, np.zeros((1, 5)))


@pytest.mark.parametrize("encoding", ["codes", "onehot"])
def test_compiled_rows_give_the_preprocessors_bits(encoding):
    """Alone and together, with missing, infinite and unseen cells."""
    fitted = Preprocessor.fit(table(rows(300)), schema(), encoding)
    fresh = rows(200, seed=1)
    fresh[0]["c"] = "never seen"
    names = [column.name for column in schema().features]
    cells = [tuple(row[n].timestamp() if n == "t" and row[n] is not None else row[n] for n in names) for row in fresh]
    for row in fresh:
        row["t"] = None if row["t"] is None else row["t"].timestamp()
    expected = fitted.transform_rows(fresh)
    encoder = RowEncoder(fitted, names)
    assert encoder(cells).tobytes() == expected.tobytes()
    assert np.vstack([encoder([row]) for row in cells]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("encoding", ["codes", "onehot"])
def test_columns_in_another_order_or_absent(encoding):
    """A blend's member reads the rows of another schema by name; what is not there is missing."""
    fitted = Preprocessor.fit(table(rows(300)), schema(), encoding)
    names = ["c", "b", "unknown", "x", "n"]
    fresh = rows(50, seed=2)
    cells = [tuple(row.get(name) for name in names) for row in fresh]
    without = [{k: v for k, v in row.items() if k != "t"} for row in fresh]
    assert RowEncoder(fitted, names)(cells).tobytes() == fitted.transform_rows(without).tobytes()
