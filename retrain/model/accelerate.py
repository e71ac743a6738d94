"""Fitted boosted trees answered by treelite or by masks of leaves in place of scikit-learn's loop over trees: the same
bits, far sooner.

treelite, soonest of few rows, tells what each tree says of each row, in double precision; `leaf_masks` tell it of many.
Added up in scikit-learn's order this is scikit-learn's sum, bit by bit, and scikit-learn's own code goes on from there.
Each is used only after a proof, on rows of data and on made-up ones around every threshold; whatever fails it is
answered by scikit-learn."""

import copy
import time
import warnings
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from ctypes import c_uint64, c_void_p
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.model.estimators import NATIVE, categorical_columns
from retrain.model.leaf_masks import LeafMasks, added
from retrain.model.version import LoadedVersion
from retrain.records.errors import Refused, refusing
from retrain.records.predictions import Floats

NAME = "treelite"
SIZES = (1, 16, 32, 64, 256)
"""Numbers of rows at which the ways to answer are timed."""
LOOKS = 3
"""The quicker of several: on a busy machine a single look tells little."""
PROOF, BINNED_PROOF, KEPT = 1024, 64, 24
"""Made-up rows; such of answers by bins; and estimators whose copies that answer by bins are kept."""
RawPredict = Callable[..., Floats]
"""Sums of all trees (n, k) for X (n, features), as an estimator's `_raw_predict`."""
SEED = 0
MISSING = 0.05
EDGES = (0.0, -1e300, 1e300, np.nan)


@dataclass(frozen=True, eq=False)
class CodeTables:
    """Rows as the nodes of trees see them: the columns in this `order`, those with codes first. A code becomes its
    place among those of the training rows, by a table for each such column."""

    order: NDArray[np.int64]
    tables: tuple[Floats, ...]

    @classmethod
    def of(cls, categorical: NDArray[np.bool_], known: Sequence[Any]) -> "CodeTables":
        """Which columns have codes, (features,), and the codes 0…k−1 of each of these in training, NaN for missing."""
        order = np.concatenate([np.flatnonzero(categorical), np.flatnonzero(~categorical)])
        return cls(order, tuple(map(_code_table, known)))

    def __call__(self, X: Floats) -> Floats:
        """X (n, features)."""
        ordered = np.ascontiguousarray(X[:, self.order], dtype=np.float64)
        for column, table in enumerate(self.tables):
            # A missing code becomes the last place of the table, which is missing; so does one beyond it.
            at = np.nan_to_num(ordered[:, column], nan=len(table) - 1.0).clip(0, len(table) - 1)
            ordered[:, column] = table[at.astype(np.int64)]
        return ordered


class TreeLoop:
    """Takes the place of `estimator._raw_predict`: scikit-learn's own trees, one after the other in its order, without
    the column transformer that takes most of the time of a few rows. `ordered` gives rows as their nodes see them,
    `bitsets` has the known codes of each feature with categories, at its one of `places`."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self._trees = [tuple(trees) for trees in estimator._predictors]
        self.bitsets, self.places = estimator._bin_mapper.make_known_categories_bitsets()
        encoder = estimator._preprocessor and estimator._preprocessor.named_transformers_["encoder"]
        categorical = categorical_columns(estimator, estimator.n_features_in_)
        self.ordered = CodeTables.of(categorical, encoder.categories_ if encoder else ())

    @property
    def order(self) -> NDArray[np.int64]:
        """The feature of each column of `ordered` rows."""
        return self.ordered.order

    def __call__(self, X: Floats, n_threads: int | None = None) -> Floats:  # noqa: ARG002 - one thread
        """Sums of all trees (n, k) for X (n, features)."""
        return sums_of(self._trees, self.estimator._baseline_prediction, self.ordered(X), self.bitsets, self.places)


def sums_of(
    trees: Sequence[Sequence[Any]], start: Floats, ordered: Floats, bitsets: Any, places: NDArray[Any]
) -> Floats:
    """Sums (n, k) of k trees of each round, from `start` (1, k) on, for n rows as trees see them."""
    sums = np.zeros((len(ordered), start.shape[1]), dtype=np.float64, order="F")
    sums += start
    for of_round in trees:
        for k, tree in enumerate(of_round):
            sums[:, k] += tree.predict(ordered, bitsets, places, 1)
    return sums


class TreeSums:
    """Takes the place of `estimator._raw_predict`: what each tree says, from treelite, added up."""

    def __init__(self, estimator: Any) -> None:
        self.estimator, self._trees = estimator, TreeliteTrees(_imported(estimator), estimator.n_features_in_)

    def __call__(self, X: Floats, n_threads: int | None = None) -> Floats:  # noqa: ARG002 - one thread
        """Sums of all trees (n, k) for X (n, features)."""
        return np.asfortranarray(added(self._trees(X), self.estimator._baseline_prediction))


@dataclass(frozen=True, eq=False)
class Soonest:
    """Takes the place of `estimator._raw_predict`: one of several ways by the number of rows, which say the same bits.
    There is one way for each of SIZES, the last one for more rows, too."""

    ways: tuple[RawPredict, ...]

    def __call__(self, X: Floats, n_threads: int | None = None) -> Floats:
        """Sums of all trees (n, k) for X (n, features)."""
        return self.ways[bisect_left(SIZES, len(X), hi=len(SIZES) - 1)](X, n_threads)


class TreeliteTrees:
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
        values = np.empty((len(X), self._count))
        model, config = self._handles
        rows, taken, given = c_uint64(len(X)), c_void_p(X.ctypes.data), c_void_p(values.ctypes.data)
        if self._library.TreeliteGTILPredict(model, taken, b"float64", rows, given, config) != 0:
            raise RuntimeError(self._library.TreeliteGetLastError())
        return values


def accelerated(estimator: Any, rows: Floats) -> Any:
    """A copy of fitted boosted trees that answers by treelite where that is soonest, which it is of few rows.

    Refused unless it answers `rows` (n, features) and made-up rows as scikit-learn does, bit by bit."""
    _must_be_trees(estimator)
    with refusing("treelite cannot take the trees"):
        return _answering(estimator, [TreeSums], rows)


def looped(estimator: Any, rows: Floats) -> Any:
    """A copy of fitted boosted trees that answers by `TreeLoop`, and of many rows by `LeafMasks` where there are some;
    Refused unless it gives the bits of scikit-learn on `rows` (n, features) and on made-up rows."""
    _must_be_trees(estimator)
    with refusing("scikit-learn's trees cannot be looped over"):
        return _answering(estimator, [], rows)


def by_bins(estimator: Any) -> Any:
    """A copy of fitted boosted trees that answers by `LeafMasks`, in a fraction of the time; the estimator itself where
    it is of another kind, or not every bit is scikit-learn's on made-up rows."""
    return _by_bins(estimator) if isinstance(estimator, NATIVE) else estimator


@lru_cache(maxsize=KEPT)
def _by_bins(estimator: Any) -> Any:
    quick = copy.copy(estimator)
    try:
        with refusing("the trees cannot be asked by bins"):
            quick._raw_predict = LeafMasks(estimator, TreeLoop(estimator).ordered)
            X = made_up_rows(estimator, BINNED_PROOF)
            _prove(quick._raw_predict, [(X, estimator._raw_predict(X))])
    except Refused:
        return estimator
    return quick


def accelerated_version(version: LoadedVersion, rows: Floats) -> LoadedVersion:
    """The version with `accelerated` trees; Refused where that is impossible or was not proven on held-out rows."""
    proof = version.evaluation.get("runtime")
    if proof is None:
        raise Refused("no proof on held-out rows: the version was trained by an earlier driftd", "retrain to get one")
    if not proof["identical"]:
        raise Refused(proof["reason"])
    return replace(version, estimator=accelerated(version.estimator, rows))


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
    categorical = categorical_columns(estimator, estimator.n_features_in_)
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


def _code_table(known: Any) -> Floats:
    """What the encoder within the estimator makes of each code 0…k−1; missing, at the end, stays missing."""
    values = np.asarray(known, dtype=np.float64)
    present = values[~np.isnan(values)]
    table = np.full(int(present.max(initial=-1.0)) + 2, np.nan)
    table[present.astype(np.int64)] = np.arange(len(present), dtype=np.float64)
    return table


def _imported(estimator: Any) -> Any:
    import treelite

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # its cast of the code for missing
        return treelite.sklearn.import_model(estimator)


def _must_be_trees(estimator: Any) -> None:
    if not isinstance(estimator, NATIVE):
        raise Refused(f"{type(estimator).__name__} is answered by scikit-learn", "boosted trees can be accelerated")


def _answering(estimator: Any, others: Sequence[Callable[[Any], RawPredict]], rows: Floats) -> Any:
    """A copy that answers by the soonest of these other ways, the loop, and masks where there are some; Refused at the
    first bit in which one differs, on `rows` or on made-up ones."""
    made_up = made_up_rows(estimator, PROOF)
    expected = [(X, estimator._raw_predict(X)) for X in (rows, made_up)]
    loop = TreeLoop(estimator)
    ways: list[RawPredict] = [loop, *(other(estimator) for other in others)]
    for way in ways:
        _prove(way, expected)
    with suppress(Refused), refusing("there are no masks"):
        masks = LeafMasks(estimator, loop.ordered)
        _prove(masks, expected)
        ways.append(masks)
    quick = copy.copy(estimator)
    quick._raw_predict = Soonest(tuple(min(ways, key=partial(_seconds, made_up[:size])) for size in SIZES))
    return quick


def _prove(way: RawPredict, expected: Sequence[tuple[Floats, Floats]]) -> None:
    """Refused unless all rows of each, and its first ones alone, are answered as expected, bit by bit."""
    for X, sums in expected:
        for size in (*SIZES, len(X)):
            answered = way(X[:size])
            if not np.array_equal(sums[:size], answered):
                wrong = int((sums[:size] != answered).any(axis=1).sum())
                by = f"by up to {np.abs(sums[:size] - answered).max():g}"
                raise Refused(f"{type(way).__name__} answers {wrong} of {size} rows otherwise than scikit-learn, {by}")


def _seconds(X: Floats, way: RawPredict) -> float:
    """What it takes, in the best of several looks."""
    found = []
    for _ in range(LOOKS):
        begun = time.perf_counter()
        way(X)
        found.append(time.perf_counter() - begun)
    return min(found)
