"""Twins: tiny models on at most 1,000 rows that tell what a fresh model of a window would gain.

A twin is compared one file ahead: trained on what was known before a file, judged on it. How much worse a twin is than a
full model of the same rows (its handicap) is measured when a version is evaluated."""

from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from retrain.errors import Refused
from retrain.estimators import NATIVE, tell_categories
from retrain.history import History
from retrain.predictions import Predictions
from retrain.schema import Schema
from retrain.tasks import Task, learn_task, target_values
from retrain.version import LoadedVersion

TWIN_ROWS = 1_000
FEWEST_ROWS = 40
FILES_NEW, FILES_OLD = 12, 48
TREES = {"max_iter": 8, "learning_rate": 0.5, "max_leaf_nodes": 8, "min_samples_leaf": 10, "early_stopping": False}
FEWEST_BINS, MOST_BINS = 31, 255
MOST_ESTIMATORS = 20


class Twin:
    """A tiny model behind a version's preprocessing."""

    def __init__(self, version: LoadedVersion, task: Task, estimator: Any) -> None:
        self._version, self._task, self._estimator = version, task, estimator

    def predict(self, table: pa.Table) -> Predictions:
        """What it says of a table's rows."""
        return self._task.predict(self._estimator, self._version.preprocessor.transform(table))


def fit_twin(version: LoadedVersion, rows: pa.Table, schema: Schema, seed: int) -> Twin | None:
    """The twin of `version` on labelled rows; None where they are too few or of one class."""
    if rows.num_rows < FEWEST_ROWS:
        return None
    y = target_values(rows, schema)
    try:
        task = learn_task(schema.task, y)
    except Refused:
        return None
    X = version.preprocessor.transform(rows)
    estimator = _tiny(version, X, seed)
    task.fit(estimator, X, y, None)
    return Twin(version, task, estimator)


def window_twin(history: History, version: LoadedVersion, files: int | None, up_to: int, seed: int) -> Twin | None:
    """The twin of a version on the newest `files` labelled files (None: all) up to one."""
    chosen = _labelled_files(history, up_to)
    chosen = chosen if files is None else chosen[-files:]
    rows = history.sample(chosen, TWIN_ROWS, seed) if chosen else None
    return None if rows is None else fit_twin(version, rows, history.schema, seed)


def _labelled_files(history: History, up_to: int) -> list[int]:
    """The newest labelled files, and older ones in equal steps."""
    known = [seq for seq in history.seqs if seq <= up_to]
    newest, older = known[-FILES_NEW:], known[:-FILES_NEW]
    steps = np.unique(np.linspace(0, len(older) - 1, min(len(older), FILES_OLD)).astype(int)) if older else []
    chosen = [older[int(step)] for step in steps] + newest
    return [seq for seq in chosen if bool(history.batch(seq).known.any())]


def _tiny(version: LoadedVersion, X: np.ndarray[Any, Any], seed: int) -> Any:
    """Eight small trees for boosted trees, else the version's own kind, at most 20 of it in an ensemble."""
    if isinstance(version.estimator, NATIVE):
        kind = HistGradientBoostingRegressor if version.classes is None else HistGradientBoostingClassifier
        mask = version.preprocessor.categorical_mask
        most = np.nanmax(X[:, list(mask)], initial=0.0) if any(mask) else 0.0
        made = kind(**TREES, max_bins=int(np.clip(most + 1, FEWEST_BINS, MOST_BINS)), random_state=seed)
        tell_categories(made, mask)
        return made
    made = clone(version.estimator)
    known = made.get_params(deep=True)
    many = [key for key in known if key.rpartition("__")[2] == "n_estimators" and (known[key] or 0) > MOST_ESTIMATORS]
    return made.set_params(**dict.fromkeys(many, MOST_ESTIMATORS))
