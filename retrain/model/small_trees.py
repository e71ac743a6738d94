"""A few small boosted trees, grown by scikit-learn's own parts without what its estimator does around them.

On 1,000 rows six trees take a third of a fit of `HistGradientBoosting…`; the rest is checks, an encoder of what is
encoded already, and bins that are sought column by column. Leaving that out changes no bit, which is proven on made-up
rows, once a process for each kind of task; without the proof scikit-learn fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from retrain.model.accelerate import CodeTables, sums_of
from retrain.model.estimators import categorical_columns, splittable
from retrain.records.errors import Refused, refusing
from retrain.records.predictions import Floats

SEVERAL = 3
"""Classes from which on each has a tree in each round; what is proven for three holds for more."""
PROVEN_ROWS = 400
PROVEN = {"max_iter": 3, "max_leaf_nodes": 6, "min_samples_leaf": 10, "learning_rate": 0.5, "max_bins": 15,
          "early_stopping": False, "categorical_features": [True, False, False, False]}  # fmt: skip


@dataclass(frozen=True, eq=False)
class SmallTrees:
    """Fitted trees, `of_rounds`, that answer as scikit-learn's estimator would that is fitted to the same rows."""

    tables: CodeTables
    bitsets: Any
    places: NDArray[Any]
    loss: Any
    start: Floats
    of_rounds: Sequence[Sequence[Any]]
    classes_: NDArray[np.int64]

    def _sums(self, X: Floats) -> Floats:
        return sums_of(self.of_rounds, self.start, self.tables(X), self.bitsets, self.places)

    def predict(self, X: Floats) -> Floats:
        """Numbers (n,) for X (n, features)."""
        return np.asarray(self.loss.link.inverse(self._sums(X).ravel()))


class SmallClassifier(SmallTrees):
    """The same for classes, of which `classes_` are the codes."""

    def predict_proba(self, X: Floats) -> Floats:
        """Probabilities (n, classes) for X (n, features)."""
        return np.asarray(self.loss.predict_proba(self._sums(X)))

    def predict(self, X: Floats) -> Floats:
        """Codes of the likeliest classes (n,)."""
        return np.asarray(self.predict_proba(X).argmax(axis=1))


def fitted(estimator: Any, X: Floats, y: NDArray[Any]) -> Any:
    """Untrained boosted trees without early stopping, of which no more is set than `PROVEN` names, trained on X
    (n, features) and y (n,), numbers, or codes 0…k−1 of classes that all occur."""
    classes = int(y.max()) + 1 if isinstance(estimator, HistGradientBoostingClassifier) else 0
    X = splittable(estimator, X)
    return grown(estimator, X, y, classes) if _is_proven(min(classes, SEVERAL)) else estimator.fit(X, y)


def grown(estimator: Any, X: Floats, y: NDArray[Any], classes: int) -> SmallTrees:
    """The same by scikit-learn's parts; of so many classes, 0 for numbers."""
    from sklearn._loss.loss import HalfBinomialLoss, HalfMultinomialLoss, HalfSquaredError
    from sklearn.ensemble._hist_gradient_boosting._gradient_boosting import _update_raw_predictions
    from sklearn.ensemble._hist_gradient_boosting.common import G_H_DTYPE
    from sklearn.ensemble._hist_gradient_boosting.grower import TreeGrower

    several = classes >= SEVERAL
    loss = HalfMultinomialLoss(n_classes=classes) if several else HalfBinomialLoss() if classes else HalfSquaredError()
    tables, bins, binned = _binned(estimator, X)
    y = np.asarray(y, dtype=np.float64)
    start = np.asarray(loss.fit_intercept_only(y_true=y)).reshape(1, -1)
    sums = np.zeros((len(y), start.shape[1]), order="F") + start
    gradient, hessian = loss.init_gradient_and_hessian(n_samples=len(y), dtype=G_H_DTYPE, order="F")
    given = {
        "n_bins": bins.n_bins, "n_bins_non_missing": bins.n_bins_non_missing_, "is_categorical": bins.is_categorical_,
        "has_missing_values": (binned == bins.missing_values_bin_idx_).any(axis=0).astype(np.uint8),
        "max_leaf_nodes": estimator.max_leaf_nodes, "min_samples_leaf": estimator.min_samples_leaf,
        "shrinkage": estimator.learning_rate, "n_threads": 1,
    }  # fmt: skip
    of_rounds = []
    for _ in range(estimator.max_iter):
        if loss.constant_hessian:
            loss.gradient(y_true=y, raw_prediction=sums, gradient_out=gradient)
        else:
            loss.gradient_hessian(y_true=y, raw_prediction=sums, gradient_out=gradient, hessian_out=hessian)
        trees = []
        for k in range(start.shape[1]):
            of_class = (part if part.ndim == 1 else part[:, k] for part in (gradient, hessian))
            grower = TreeGrower(binned, *of_class, **given)
            grower.grow()
            trees.append(grower.make_predictor(binning_thresholds=bins.bin_thresholds_))
            _update_raw_predictions(sums[:, k], grower, 1)
        of_rounds.append(trees)
    kind = SmallClassifier if classes else SmallTrees
    bitsets, places = bins.make_known_categories_bitsets()
    return kind(tables, bitsets, places, loss, start, of_rounds, np.arange(classes))


def _binned(estimator: Any, X: Floats) -> tuple[CodeTables, Any, NDArray[np.uint8]]:
    """How rows are coded; scikit-learn's mapper to bins, and the bins of X (n, features) as trees see it."""
    from sklearn.ensemble._hist_gradient_boosting._binning import _map_to_bins
    from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper

    categorical = categorical_columns(estimator, X.shape[1])
    known = [np.unique(column[~np.isnan(column)]) for column in X.T[categorical]]
    tables = CodeTables.of(categorical, known)
    ordered = tables(X)
    bins = _BinMapper(n_bins=estimator.max_bins + 1)
    bins.is_categorical_ = categorical[tables.order].astype(np.uint8)
    codes = [np.arange(len(codes), dtype=np.float64) for codes in known]
    thresholds = _thresholds(ordered[:, len(codes) :], estimator.max_bins)
    bins.bin_thresholds_ = [*codes, *thresholds]
    sizes = [*(len(one) for one in codes), *(len(one) + 1 for one in thresholds)]
    bins.n_bins_non_missing_ = np.array(sizes, dtype=np.uint32)
    bins.missing_values_bin_idx_ = estimator.max_bins
    binned = np.zeros(X.shape, dtype=np.uint8, order="F")
    _map_to_bins(ordered, bins.bin_thresholds_, bins.is_categorical_, bins.missing_values_bin_idx_, 1, binned)
    return tables, bins, binned


def _thresholds(X: Floats, most: int) -> list[Floats]:
    """Between the bins of each column of X (n, features): of those that have more than `most` values and miss none all
    at once."""
    from sklearn.ensemble._hist_gradient_boosting.binning import _find_binning_thresholds
    from sklearn.ensemble._hist_gradient_boosting.common import ALMOST_INF

    columns = np.sort(X.T, axis=1)  # what is missing comes last
    many = (columns[:, 1:] != columns[:, :-1]).sum(axis=1) >= most
    many &= ~np.isnan(columns[:, -1])
    shares = np.linspace(0, 100, most + 1)[1:-1]
    with np.errstate(invalid="ignore"):  # between infinite values
        found = iter(np.percentile(columns[many], shares, axis=1, method="averaged_inverted_cdf").T)
        return [
            np.clip(np.unique(next(found)), None, ALMOST_INF) if at_once else _find_binning_thresholds(column, most)
            for at_once, column in zip(many.tolist(), columns, strict=True)
        ]


@cache
def _is_proven(classes: int) -> bool:
    """Whether trees of so many classes (0: of numbers) say of made-up rows what scikit-learn's say, to the bit."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 5, PROVEN_ROWS), rng.normal(size=(PROVEN_ROWS, 3))])
    X[rng.random(X.shape) < np.array([0.05, 0.0, 0.05, 0.0])] = np.nan
    z = X[:, 1] + (X[:, 0] == 2) + rng.normal(size=PROVEN_ROWS)
    y = z if not classes else np.digitize(z, np.quantile(z, np.arange(1, classes) / classes))
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    try:
        with refusing("scikit-learn's parts cannot be used"):
            own, other = grown(kind(**PROVEN), X, y, classes), clone(kind(**PROVEN)).fit(X, y)
            asked = np.vstack([X, X[:, [1, 0, 2, 3]] * [0, 1, 1, 1] + [9, 0, 0, 0]])
            says = "predict_proba" if classes else "predict"
            return bool(np.array_equal(getattr(own, says)(asked), getattr(other, says)(asked)))
    except Refused:
        return False
