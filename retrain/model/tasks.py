"""What kind of question a model answers: fit, predict, baseline. X is (n, features), y (n,) class names or numbers,
weight (n,) or None for equal ones.

Estimators see classes as codes 0…k−1 (positions in the sorted class names), so that any of them fits; all
that leaves a task speaks of class names.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import has_fit_parameter

from retrain.model.estimators import splittable
from retrain.model.pipeline import RawPipeline
from retrain.records.errors import Refused
from retrain.records.predictions import Floats, Labels, Predictions, label_codes

ARGMAX = {
    "HistGradientBoostingClassifier", "RandomForestClassifier", "ExtraTreesClassifier", "LogisticRegression",
    "SmallClassifier",
}  # fmt: skip


@dataclass(frozen=True)
class Baseline:
    """What a model must beat: always the same answer, learned from the weighted training labels."""

    value: str | float
    probabilities: tuple[float, ...] | None = None
    classes: tuple[str, ...] | None = None

    def predict(self, rows: int) -> Predictions:
        """The same answer for each of `rows` rows."""
        values = np.full(rows, self.value)
        if self.probabilities is None:
            return Predictions(values)
        return Predictions(values, np.tile(np.array(self.probabilities), (rows, 1)), self.classes)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Classification:
    """Two classes or more."""

    classes: tuple[str, ...]
    name: ClassVar = "classification"

    @cached_property
    def _names(self) -> Labels:
        return np.array(self.classes)

    def fit(self, estimator: Any, X: Floats, y: Labels, weight: Floats | None) -> bool:
        """Train on codes; `class_weight` given by class name is translated."""
        translate_class_weights(estimator, self.classes)
        return _fit(estimator, X, label_codes(y, self.classes), weight)

    def predict(self, estimator: Any, X: Floats) -> Predictions:
        """Class names, and probabilities in the order of `classes` where the estimator has them."""
        names = self._names
        if not len(X):
            return Predictions(names[:0], np.zeros((0, len(names))), self.classes)
        if not hasattr(estimator, "predict_proba"):
            return Predictions(names[_whole(estimator.predict(X))], None, self.classes)
        given = np.asarray(estimator.predict_proba(X), dtype=np.float64)
        if len(estimator.classes_) == len(names):
            probabilities = given
        else:
            probabilities = np.zeros((len(X), len(names)))
            probabilities[:, _whole(estimator.classes_)] = given
        if type(estimator).__name__ in ARGMAX:
            codes = probabilities.argmax(axis=1)
        elif isinstance(estimator, RawPipeline):
            codes = estimator.most_probable(X, probabilities)
        else:
            codes = _whole(estimator.predict(X))
        return Predictions(names[codes], probabilities, self.classes)

    def baseline(self, y: Labels, weight: Floats | None) -> Baseline:
        """Shares of the classes, and the most frequent one."""
        counts = np.bincount(label_codes(y, self.classes), weight, len(self.classes))
        shares = counts / counts.sum()
        return Baseline(self.classes[int(shares.argmax())], tuple(shares.tolist()), self.classes)


@dataclass(frozen=True)
class Regression:
    """Numbers."""

    name: ClassVar = "regression"
    classes: ClassVar[None] = None

    def fit(self, estimator: Any, X: Floats, y: Labels, weight: Floats | None) -> bool:
        """Train on the numbers."""
        return _fit(estimator, X, np.asarray(y, dtype=np.float64), weight)

    def predict(self, estimator: Any, X: Floats) -> Predictions:
        """Numbers."""
        if not len(X):
            return Predictions(np.zeros(0))
        return Predictions(np.asarray(estimator.predict(X), dtype=np.float64).reshape(len(X)))

    def baseline(self, y: Labels, weight: Floats | None) -> Baseline:
        """The weighted median."""
        return Baseline(weighted_median(np.asarray(y, dtype=np.float64), weight))


Task = Classification | Regression


def learn_task(name: str, y: Labels) -> Task:
    """The task for the training labels `y`; Refused where there is nothing to learn."""
    if not len(y):
        raise Refused("no labelled rows to train on")
    if name == "regression":
        return Regression()
    classes = tuple(sorted({str(label) for label in y.tolist()}))
    if len(classes) < 2:
        raise Refused(f"all labels are {classes[0]!r}", "expected at least two classes in the training rows")
    return Classification(classes)


def weighted_median(values: Floats, weight: Floats | None) -> float:
    """The lower weighted median of `values` (n ≥ 1); with equal weights the usual median.

    >>> weighted_median(np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 5.0]))
    9.0
    """
    if weight is None or np.all(weight == weight[0]):
        return float(np.median(values))
    order = np.argsort(values, kind="stable")
    heaped = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(heaped, heaped[-1] / 2)])


def _whole(values: Any) -> Any:
    return np.asarray(values).astype(np.int64)


def _fit(estimator: Any, X: Floats, y: Any, weight: Floats | None) -> bool:
    X = splittable(estimator, X)
    if weight is None or np.all(weight == weight[0]):
        estimator.fit(X, y)
        return True
    parameter = _weight_parameter(estimator)
    if parameter is None:
        estimator.fit(X, y)
        return False
    estimator.fit(X, y, **{parameter: weight})
    return True


def takes_weights(estimator: Any) -> bool:
    """Whether its `fit` takes weights of rows."""
    return _weight_parameter(estimator) is not None


def _weight_parameter(estimator: Any) -> str | None:
    """What `fit` calls the weights: a pipeline hands them to its last step."""
    if isinstance(estimator, RawPipeline):
        return _weight_parameter(estimator.pipeline)
    steps = getattr(estimator, "steps", None)
    if steps:
        inner = _weight_parameter(steps[-1][1])
        return None if inner is None else f"{steps[-1][0]}__{inner}"
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


def translate_class_weights(estimator: Any, classes: tuple[str, ...]) -> None:
    """Call classes in an estimator's `class_weight` by their codes."""
    if not hasattr(estimator, "get_params"):
        return
    for key, value in estimator.get_params(deep=True).items():
        if key.rpartition("__")[2] == "class_weight" and isinstance(value, dict):
            unknown = sorted(str(name) for name in value if str(name) not in classes)
            if unknown and not set(value) <= set(range(len(classes))):
                raise Refused(f"{key} names unknown classes {unknown}", f"expected some of {list(classes)}")
            if not unknown:
                weights = {classes.index(str(name)): factor for name, factor in value.items()}
                estimator.set_params(**{key: weights})
