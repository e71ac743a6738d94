"""Fitting an estimate to held-out rows: which of them, and what it says of these rows themselves."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.notation import counted
from retrain.metrics.resampling import block_counts
from retrain.monitoring.estimate.common import FEWEST_ROWS, FORMAT, MEMBERS, evenly, finite_or_none, most_rows
from retrain.monitoring.estimate.curves import Curves
from retrain.monitoring.estimate.trees import LARGEST, MOST_TREE_ROWS, Trees
from retrain.records.predictions import Floats, Labels, Predictions, label_codes


def fit_estimate(
    task: str,
    y: Labels,
    predictions: Predictions,
    matrix: Floats | None,
    seed: int,
    *,
    initial_median: float | None = None,
) -> dict[str, Any]:
    """What `estimate_performance` needs, as plain JSON, from held-out labels `y` (n,), oldest first, what the
    model said of them, and for regression the model's features `matrix` (n, features), None to go without.

    `reason` is a sentence where the rows allow no estimate. Labels that the model does not know are left out.
    """
    method = "CBPE" if task == "classification" else "DLE"
    classes = None if predictions.classes is None else list(predictions.classes)
    head = {"format": FORMAT, "method": method, "seed": seed, "classes": classes}
    known = _known(y, predictions)
    reason = _unfit(task, y[known], predictions)
    if reason:
        return head | {"rows": len(known), "reason": reason}
    most = most_rows(predictions) if task == "classification" else MOST_TREE_ROWS
    kept = known[evenly(len(known), most)]
    chosen, truth = predictions.take(kept), y[kept]
    rng = np.random.default_rng(seed)
    draws = np.array([block_counts(len(kept), rng) for _ in range(MEMBERS)])
    model: Curves | Trees
    if task == "classification":
        model, inputs = Curves.fit(truth, chosen, draws), None
    else:
        inputs = None if matrix is None else matrix[kept]
        model = Trees.fit(truth, chosen, inputs, draws, initial_median, seed)
    reference = _reference(model, chosen, inputs, draws)
    return head | {"rows": len(kept), "reason": None, "reference": reference, "model": model.to_json()}


def _known(y: Labels, predictions: Predictions) -> NDArray[np.int64]:
    """Positions of the rows whose label the model can give."""
    if predictions.classes is None:
        errors = np.asarray(y, dtype=np.float64) - np.asarray(predictions.values, dtype=np.float64)
        return np.flatnonzero(np.abs(errors) < math.sqrt(LARGEST))
    return np.flatnonzero(label_codes(y, predictions.classes) >= 0)


def _unfit(task: str, y: Labels, predictions: Predictions) -> str:
    """Why held-out labels `y` allow no estimate; empty where they do."""
    if task == "classification" and predictions.probabilities is None:
        return "the estimator gives no probabilities"
    if len(y) < FEWEST_ROWS:
        return f"only {counted(len(y), 'held-out row')}; {FEWEST_ROWS} are needed to estimate"
    if task == "classification" and len(set(y.tolist())) < 2:
        return "the held-out labels are all of one class"
    return ""


def _reference(
    model: Curves | Trees, predictions: Predictions, matrix: Floats | None, draws: Floats
) -> dict[str, dict[str, Any]]:
    """For each metric the estimate for the held-out rows, every row by the members that did not see it, and
    the `members`' own estimates for the rows that they were fitted to."""
    scores = {name: model.score(name, predictions) for name in model.names()}
    members: dict[str, list[float | None]] = {name: [] for name in scores}
    unseen = np.maximum((draws == 0).astype(np.float64), 1e-9)
    total: Any = 0.0
    for member, counts in enumerate(draws):
        beliefs = model.believe(predictions, matrix, member)
        total = total + unseen[member][:, None] * beliefs
        for name, score in scores.items():
            members[name].append(finite_or_none(score(beliefs, counts)))
    honest = total / unseen.sum(axis=0)[:, None]
    equal = np.ones(len(honest))
    return {
        name: {"value": finite_or_none(score(honest, equal)), "members": members[name]}
        for name, score in scores.items()
    }
