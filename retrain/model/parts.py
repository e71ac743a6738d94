"""An estimator that learns in parts: it sees every row of a window that is larger than memory once, a group of the file
at a time."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from retrain.model.preprocessing import Preprocessor
from retrain.model.tasks import Task, translate_class_weights
from retrain.records.errors import Refused
from retrain.records.predictions import Floats, label_codes
from retrain.records.schema import Schema
from retrain.rows.columns import open_snapshot
from retrain.rows.targets import target_values


def refuse_whole(estimator: Any) -> None:
    """Refused where the untrained estimator cannot learn in parts."""
    if not hasattr(estimator, "partial_fit"):
        raise Refused(
            f'window.large is "parts", and {type(estimator).__name__} has no partial_fit',
            'an estimator.type such as "sklearn.linear_model.SGDClassifier", or window.large = "sample"',
        )


def fit_in_parts(estimator: Any, rows: Path, task: Task, schema: Schema, preprocessor: Preprocessor, seed: int) -> bool:
    """Train on all prepared rows of a file, whose groups and rows come in an order drawn by the seed; whether the
    estimator took their weights."""
    refuse_whole(estimator)
    rng = np.random.default_rng(seed)
    takes_weights = "sample_weight" in inspect.signature(estimator.partial_fit).parameters
    classes: dict[str, Any] = {}
    if task.classes is not None:
        translate_class_weights(estimator, task.classes)
        classes = {"classes": np.arange(len(task.classes))}
    weighted = True
    with open_snapshot(rows) as file:
        largest = _largest_weight(file)
        for group in rng.permutation(file.num_row_groups).tolist():
            table: pa.Table = file.read_row_group(group)
            table = table.take(pa.array(rng.permutation(table.num_rows)))
            y, weight = target_values(table, schema), np.asarray(table.column("__weight").to_numpy(), dtype=np.float64)
            target = np.asarray(y, dtype=np.float64) if task.classes is None else label_codes(y, task.classes)
            told = {"sample_weight": weight / largest} if takes_weights else {}
            weighted &= takes_weights or bool(np.all(weight == largest))
            _learn(estimator, preprocessor.transform(table), target, classes | told)
            classes = {}
    return weighted


def _learn(estimator: Any, X: Floats, target: Any, told: dict[str, Any]) -> None:
    try:
        estimator.partial_fit(X, target, **told)
    except ValueError as error:
        raise Refused(f"{type(estimator).__name__} does not learn in parts: {error}") from error


def _largest_weight(file: Any) -> float:
    """The largest weight of all rows, which counts as 1."""
    weights = (file.read_row_group(group, columns=["__weight"]).column(0) for group in range(file.num_row_groups))
    return max((float(np.max(one.to_numpy())) for one in weights), default=1.0)
