"""An estimator trained with row weights, and predictions of rows that it was not trained on."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from retrain.model.estimators import NATIVE
from retrain.model.tasks import Task, takes_weights
from retrain.model.version import LoadedVersion
from retrain.records.predictions import Floats, Labels, Predictions

REPEATS = 2.0


def fit_weighted(task: Task, estimator: Any, X: Floats, y: Labels, weight: Floats, seed: int) -> bool:
    """Train with the rows' weights; where the estimator takes none, or takes them at a high price (scikit-learn 1.9
    bins boosted trees' features by weighted percentiles, which costs more than the trees), rows are repeated and
    left out in proportion to their weight."""
    equal = bool(np.all(weight == weight[0]))
    if equal or (takes_weights(estimator) and not isinstance(estimator, NATIVE)):
        return task.fit(estimator, X, y, weight)
    chosen = repeated(weight, seed)
    if task.classes is not None and len(np.unique(y[chosen])) < len(task.classes):
        return task.fit(estimator, X, y, weight)
    task.fit(estimator, X[chosen], y[chosen], None)
    return True


def repeated(weight: Floats, seed: int) -> NDArray[np.int64]:
    """Places of rows in their order, each on average REPEATS times its share of the largest weight.

    >>> repeated(np.array([1.0, 1.0]), 0).tolist()
    [0, 0, 1, 1]
    """
    wanted = REPEATS * weight / weight.max()
    times = np.floor(wanted + np.random.default_rng(seed).random(len(weight))).astype(np.int64)
    return np.repeat(np.arange(len(weight)), times)


def out_of_fold(
    version: LoadedVersion, X: Floats, y: Labels, weight: Floats, folds: list[NDArray[np.bool_]], seed: int
) -> Iterator[Predictions]:
    """What the version would say of the rows in each fold, masks of n training rows, had it not been trained on them:
    its estimator, trained again on the other rows. Nothing where that cannot be made again, or the others lack a
    class."""
    for fold in folds:
        kept = ~fold
        if version.classes is not None and len(np.unique(y[kept])) < len(version.classes):
            return
        try:
            estimator = clone(version.estimator)
        except TypeError:
            return
        fit_weighted(version.task, estimator, X[kept], y[kept], weight[kept], seed)
        yield version.task.predict(estimator, X[fold])
