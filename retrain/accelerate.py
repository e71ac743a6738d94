"""Fitted boosted trees answered by treelite instead of scikit-learn's loop over trees: the same bits, far sooner.

treelite tells what each tree says of each row, in double precision. Added up in scikit-learn's order this is
scikit-learn's sum, bit by bit, and scikit-learn's own code goes on from there. It is used only after a proof, on rows
of data and on made-up ones around every threshold; whatever fails it is answered by scikit-learn."""

import copy
import time
import warnings
from ctypes import c_uint64, c_void_p
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from retrain.errors import Refused
from retrain.estimators import NATIVE
from retrain.predictions import Floats
from retrain.version import LoadedVersion

NAME = "treelite"
SIZES = (1, 16, 64, 256, 1024)
"""Numbers of rows at which both are compared and timed."""
LOOKS = 3
"""The quicker of several: on a busy machine a single look tells little."""
SEED = 0
MISSING = 0.05
EDGES = (0.0, -1e300, 1e300, np.nan)


@dataclass(frozen=True, eq=False)
class TreeSums:
    """Takes the place of `estimator._raw_predict` for at most `most_rows` rows; above, scikit-learn is sooner."""

    estimator: Any
    trees: "Trees"
    most_rows: int

    def __call__(self, X: Floats, n_threads: int | None = None) -> Floats:
        """Sums of all trees (n, k) for X (n, features)."""
        if len(X) > self.most_rows:
            slow: Floats = self.estimator._raw_predict(X, n_threads)
            return slow
        start = self.estimator._baseline_prediction
        said = self.trees(X)
        if start.shape[1] > 1:
            said = said.reshape(len(X), -1, start.shape[1])
        else:
            start = start[:, 0]
        said[:, 0] += start
        # accumulate adds one after the other, as scikit-learn does; sum would add in pairs.
        sums: Floats = np.add.accumulate(said, axis=1, out=said)[:, -1]
        return np.asfortranarray(sums.reshape(len(X), -1))


class Trees:
    """What each tree of a treelite model says: its C interface, called with as little as possible around it."""

    def __init__(self, model: Any, features: int) -> None:
        from treelite.core import _LIB
        from treelite.gtil.gtil import GTILConfig

        if (model.input_type, model.output_type, model.num_feature) != ("float64", "float64", features):
            raise Refused(f"treelite takes the trees as {model.input_type} of {model.num_feature} features")
        self._model, self._library = model, _LIB
        self._config = GTILConfig(nthread=1, predict_type="score_per_tree")
        self._count, self._features = model.num_tree, features
        self._handles = model.handle, self._config.handle

    def __call__(self, X: Floats) -> Floats:
        """(n, trees) for X (n, features)."""
        X = np.ascontiguousarray(X, dtype=np.float64)
        if X.shape[1] != self._features:
            raise ValueError(f"{X.shape[1]} features; the trees know {self._features}")
        said = np.empty((len(X), self._count))
        model, config = self._handles
        rows, taken, given = c_uint64(len(X)), c_void_p(X.ctypes.data), c_void_p(said.ctypes.data)
        if self._library.TreeliteGTILPredict(model, taken, b"float64", rows, given, config) != 0:
            raise RuntimeError(self._library.TreeliteGetLastError())
        return said


def accelerated(estimator: Any, rows: Floats) -> tuple[Any, int]:
    """A copy of fitted boosted trees that answers few rows by treelite, and up to how many.

    Refused unless it answers `rows` (n, features) and made-up rows as scikit-learn does, bit by bit."""
    if not isinstance(estimator, NATIVE):
        raise Refused(f"{type(estimator).__name__} is answered by scikit-learn", "boosted trees can be accelerated")
    fast = copy.copy(estimator)
    try:
        trees = Trees(_imported(estimator), estimator.n_features_in_)
        fast._raw_predict = TreeSums(estimator, trees, 10**9)
        most_rows = _proven(estimator, fast, rows)
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"treelite cannot take the trees: {type(error).__name__}: {error}") from error
    fast._raw_predict = replace(fast._raw_predict, most_rows=most_rows)
    return fast, most_rows


def accelerated_version(version: LoadedVersion, rows: Floats) -> LoadedVersion:
    """The version with `accelerated` trees; Refused where that is impossible or was not proven on held-out rows."""
    proof = version.evaluation.get("runtime")
    if proof is None:
        raise Refused("no proof on held-out rows: the version was trained by an earlier driftd", "retrain to get one")
    if not proof["identical"]:
        raise Refused(proof["reason"])
    return replace(version, estimator=accelerated(version.estimator, rows)[0])


def proof_on(estimator: Any, rows: Floats) -> dict[str, Any]:
    """What the evaluation records: whether treelite answers held-out rows (n, features) as scikit-learn does."""
    try:
        accelerated(estimator, rows)
    except Refused as error:
        return {"name": NAME, "identical": False, "rows": len(rows), "reason": str(error)}
    return {"name": NAME, "identical": True, "rows": len(rows), "reason": None}


def made_up_rows(estimator: Any, count: int) -> Floats:
    """Rows (count, features) on, just above and just below the trees' thresholds, far out, missing, and of every
    category."""
    rng = np.random.default_rng(SEED)
    categorical = _categorical(estimator)
    order = [*np.flatnonzero(categorical), *np.flatnonzero(~categorical)]
    nodes = np.concatenate([tree.nodes for trees in estimator._predictors for tree in trees])
    inner = nodes[nodes["is_leaf"] == 0]
    X = np.empty((count, len(order)))
    for position, feature in enumerate(order):
        if categorical[feature]:
            known = int(np.nanmax(estimator._bin_mapper.bin_thresholds_[position], initial=0.0))
            candidates = np.array([*range(known + 1), np.nan], dtype=np.float64)
        else:
            at = inner["num_threshold"][(inner["feature_idx"] == position) & (inner["is_categorical"] == 0)]
            candidates = np.concatenate([at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf), EDGES])
        X[:, feature] = rng.choice(candidates, count)
    X[rng.random(X.shape) < MISSING] = np.nan
    return X


def _categorical(estimator: Any) -> Any:
    mask = estimator.categorical_features
    if mask is None or isinstance(mask, str):
        return np.zeros(estimator.n_features_in_, dtype=bool)
    return np.asarray(mask, dtype=bool)


def _imported(estimator: Any) -> Any:
    import treelite

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # its cast of the code for missing
        return treelite.sklearn.import_model(estimator)


def _proven(estimator: Any, fast: Any, rows: Floats) -> int:
    """The largest size at which treelite was sooner; Refused at the first bit that differs."""
    made_up = made_up_rows(estimator, max(SIZES))
    _compare(estimator, fast, rows)
    most_rows = 0
    for size in SIZES:
        both = [_compare(estimator, fast, made_up[:size]) for _ in range(LOOKS)]
        if min(fast_s for _, fast_s in both) < min(slow_s for slow_s, _ in both):
            most_rows = size
    return most_rows


def _compare(estimator: Any, fast: Any, X: Floats) -> tuple[float, float]:
    """Seconds of both."""
    started = time.perf_counter()
    expected = estimator._raw_predict(X)
    between = time.perf_counter()
    answered = fast._raw_predict(X)
    ended = time.perf_counter()
    if not np.array_equal(expected, answered):
        wrong = int((expected != answered).any(axis=1).sum())
        largest = float(np.abs(expected - answered).max())
        raise Refused(f"treelite answers {wrong} of {len(X)} rows otherwise than scikit-learn, by up to {largest:g}")
    return between - started, ended - between
