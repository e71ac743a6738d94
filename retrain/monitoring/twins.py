"""Twins: tiny models on at most 1,000 rows that estimate what a fresh model of a window would gain.

A twin is compared one file ahead: trained on what was known before a file, judged on it. How much worse a twin is than
a full model of the same rows (its handicap) is measured when a version is evaluated."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from retrain.model.estimators import NATIVE, set_categories
from retrain.model.small_trees import fitted
from retrain.model.tasks import Task, learn_task
from retrain.model.version import LoadedVersion
from retrain.monitoring.cache import Memory
from retrain.records.errors import Refused
from retrain.records.predictions import Floats, Labels, Predictions, label_codes
from retrain.rows.held_out import NEWEST_FILES
from retrain.rows.history import History

TWIN_ROWS = 1_000
"""Labelled rows that a twin is trained on at most, for a few milliseconds of training."""
FEWEST_ROWS = 40
"""Labelled rows that a twin is trained on at least."""
FILES_NEW, FILES_OLD = 12, 48
"""Labelled files that rows are drawn from: all of the newest, and so many older ones in equal steps."""
TREES = {"max_iter": 6, "max_leaf_nodes": 8, "min_samples_leaf": 10, "early_stopping": False}
LEARNING_RATE, STEADY_CLASSES, LEAST_RATE = 0.6, 5, 0.1
"""Of so few trees. With more than five classes it falls with their number, to a tenth at least: boosting by softmax
takes a step for each class at once, and overshoots. (On 1,000 rows of 40 classes: 10 % right at 0.6, 62 % at 0.1.)"""
FEWEST_BINS, MOST_BINS = 31, 255
"""Of HistGradientBoosting's histograms: as many as category codes need, at most what it allows."""
MOST_ESTIMATORS = 20
"""Of an ensemble."""


Twin = Callable[[Floats], Predictions | None]
"""A tiny model behind a version's preprocessing: predictions of rows as that gives them, (n, features); None where an
adopted pipeline refuses them, as one does that knew too few rows to know all categories."""


def window_twin(
    history: History, version: LoadedVersion, batches: int | None, up_to: int, seed: int, memory: Memory
) -> Twin | None:
    """The twin of a version on at most 1,000 labelled rows of the newest `batches` of labelled files (None: all) up to
    one, each file in proportion to its rows, without the reservoirs of the two newest. None where these are too few or
    of one class."""
    chosen = _labelled_pools(history, up_to)
    chosen = chosen if batches is None else history.newest(chosen, batches)
    total = sum(history.rows(seq) for pool in chosen for seq in pool)
    newest = {seq for pool in chosen[-NEWEST_FILES:] for seq in pool}
    last = history.place_of(up_to)
    pieces = []
    for seq in (seq for pool in chosen for seq in pool):
        X, y, reserved = _labelled_rows(history, version, seq, seed, memory)
        places = np.flatnonzero(~reserved) if seq in newest else np.arange(len(y))
        wanted = int(np.ceil(TWIN_ROWS * history.rows(seq) / max(total, 1)))
        if len(places) > wanted:
            places = np.sort(
                np.random.default_rng([seed, history.file(seq).place, last]).choice(places, wanted, replace=False)
            )
        pieces.append((X[places], y[places]))
    if not pieces:
        return None
    return fit_twin(version, np.concatenate([X for X, _ in pieces]), np.concatenate([y for _, y in pieces]), seed)


def fit_twin(version: LoadedVersion, X: Floats, y: Labels, seed: int) -> Twin | None:
    """The twin of `version` on labelled rows, X (n, features) and y (n,); None where they are too few or of one
    class, or an adopted pipeline does not learn from them."""
    if len(y) < FEWEST_ROWS:
        return None
    try:
        task = learn_task(version.schema.task, y)
    except Refused:
        return None
    estimator = _tiny(version, X, seed)
    if isinstance(estimator, NATIVE):
        return partial(task.predict, fitted(estimator, X, label_codes(y, task.classes) if task.classes else y))
    try:
        with config_context(skip_parameter_validation=True, assume_finite=True):
            task.fit(estimator, X, y, None)
    except Refused:
        return None
    return partial(_answered, task, estimator)


def _answered(task: Task, estimator: Any, X: Floats) -> Predictions | None:
    try:
        return task.predict(estimator, X)
    except Refused:
        return None


def _labelled_rows(
    history: History, version: LoadedVersion, seq: int, seed: int, memory: Memory
) -> tuple[Floats, Labels, NDArray[np.bool_]]:

    def make() -> tuple[Floats, Labels, NDArray[np.bool_]]:
        sample = history.sample(seq, seed).labelled()
        return version.matrix(sample.table), sample.labels(history.schema), sample.reserved

    key = ("rows", version.preprocessor, seq, seed, history.labels_key([seq]))
    found: tuple[Floats, Labels, NDArray[np.bool_]] = memory.get(key, make)
    return found


def _labelled_pools(history: History, up_to: int) -> list[list[int]]:
    """The newest labelled files, small ones together, and older ones in equal steps."""
    known = history.pools(up_to)
    newest, older = known[-FILES_NEW:], known[:-FILES_NEW]
    steps = np.linspace(0, len(older) - 1, min(len(older), FILES_OLD)).astype(int).tolist() if older else []
    return [older[step] for step in dict.fromkeys(steps)] + newest


def _tiny(version: LoadedVersion, X: Floats, seed: int) -> Any:
    """Six small trees for boosted trees, else the version's own kind, at most 20 of it in an ensemble."""
    if version.is_recorded or isinstance(version.estimator, NATIVE):
        kind = HistGradientBoostingRegressor if version.classes is None else HistGradientBoostingClassifier
        mask = version.preprocessor.categorical_mask
        most = np.nanmax(X[:, list(mask)], initial=0.0) if any(mask) else 0.0
        made = kind(
            **TREES,
            learning_rate=_learning_rate(len(version.classes or ())),
            max_bins=int(np.clip(most + 1, FEWEST_BINS, MOST_BINS)),
            random_state=seed,
        )
        set_categories(made, mask)
        return made
    made = clone(version.estimator)
    known = made.get_params(deep=True)
    many = [key for key in known if key.rpartition("__")[2] == "n_estimators" and (known[key] or 0) > MOST_ESTIMATORS]
    return made.set_params(**dict.fromkeys(many, MOST_ESTIMATORS))


def _learning_rate(classes: int) -> float:
    """Of boosted trees for so many classes.

    >>> [_learning_rate(classes) for classes in (2, 10, 40)]
    [0.6, 0.3, 0.1]
    """
    return max(LEAST_RATE, LEARNING_RATE * min(1.0, STEADY_CLASSES / max(classes, 1)))
