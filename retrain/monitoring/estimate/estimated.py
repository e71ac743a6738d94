"""The estimate for rows without labels, its interval, and whether it is a drop."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from drift.notation import counted
from retrain.metrics.metric import Metric
from retrain.metrics.resampling import block_counts, spread
from retrain.monitoring.estimate.common import FEWEST_ROWS, FORMAT, MEMBERS, evenly, finite_or_none, most_rows
from retrain.monitoring.estimate.curves import Curves
from retrain.monitoring.estimate.trees import Trees
from retrain.monitoring.performance import Z_95, drop_p_value
from retrain.records.predictions import Floats, Predictions

ASSUMES = "an estimate, not a measurement: the relation between features and target has not changed"


def estimate_performance(
    metric: Metric, fitted: Mapping[str, Any], predictions: Predictions, matrix: Floats | None
) -> dict[str, Any]:
    """The metric that labels of these n rows would probably give, from the predictions and, for regression,
    the model's features `matrix` (n, features).

    `se` holds the sampling error of such a metric and the uncertainty of the fit; `interval` is value ± 1.96 se.
    `drop` is how much worse `value` is than `reference`, the estimate for the held-out rows, and `p_value` that
    of the one-sided z-test with `drop_se`, the spread of this difference. `reason` tells why a number is None.
    """
    numbers = ("value", "se", "interval", "reference", "drop", "drop_se", "p_value")
    result = {"metric": metric.name, **dict.fromkeys(numbers), "rows": len(predictions), "estimate": True}
    result |= {"method": fitted["method"], "assumes": ASSUMES, "reason": None}
    reason = _unusable(metric, fitted, predictions, matrix)
    if reason:
        return result | {"reason": reason}
    model = (Curves if fitted["method"] == "CBPE" else Trees).from_json(fitted["model"])
    kept = evenly(len(predictions), most_rows(predictions))
    inputs = None if matrix is None else matrix[kept]
    return result | _estimated(metric, model, fitted, predictions.take(kept), inputs)


def _unusable(metric: Metric, fitted: Mapping[str, Any], predictions: Predictions, matrix: Floats | None) -> str:
    """Why the metric of these rows cannot be estimated; empty where it can."""
    if fitted["format"] != FORMAT:
        return f"estimate format {fitted['format']!r}; this driftd reads format {FORMAT}"
    if fitted["reason"]:
        return str(fitted["reason"])
    if metric.name not in fitted["reference"]:
        return f"{metric.name} cannot be estimated without labels"
    if not len(predictions):
        return "no rows"
    if fitted["method"] == "DLE":
        features = 1 if matrix is None else 1 + matrix.shape[1]
        expected = fitted["model"]["features"]
        return "" if features == expected else f"{features - 1} features; the estimate was fitted on {expected - 1}"
    if predictions.probabilities is None:
        return "the estimator gives no probabilities"
    same = fitted["classes"] == list(predictions.classes or ())
    return "" if same else "the estimate was fitted on other classes than these"


def _estimated(
    metric: Metric,
    model: Curves | Trees,
    fitted: Mapping[str, Any],
    predictions: Predictions,
    matrix: Floats | None,
) -> dict[str, Any]:
    rng = np.random.default_rng(fitted["seed"])
    score = model.score(metric.name, predictions)
    expected, drawn = np.full(MEMBERS, np.nan), np.full(MEMBERS, np.nan)
    total: Any = 0.0
    for member in range(MEMBERS):
        beliefs, counts = model.believe(predictions, matrix, member), block_counts(len(predictions), rng)
        total = total + beliefs
        expected[member] = score(beliefs, counts)
        drawn[member] = score(model.draw(beliefs, predictions, rng), counts)
    value = finite_or_none(score(total / MEMBERS, np.ones(len(predictions))))
    if value is None:
        return {"reason": f"{metric.name} is undefined for the labels that are expected"}
    error = spread(drawn) if len(predictions) > 1 else None
    interval = None if error is None else _interval(metric, value, error)
    reference = fitted["reference"][metric.name]
    found = {"value": value, "se": error, "interval": interval, "reference": reference["value"]}
    if reference["value"] is None:
        return found | {"reason": f"{metric.name} is undefined on the held-out rows"}
    differences = np.array(reference["members"], dtype=np.float64) - expected
    return found | _compared(metric, value, reference["value"], spread(differences), len(predictions))


def _compared(metric: Metric, value: float, reference: float, error: float | None, rows: int) -> dict[str, Any]:
    drop = -metric.improvement(reference, value)
    if rows < FEWEST_ROWS or error is None:
        few = f"only {counted(rows, 'row')}; {FEWEST_ROWS} are needed to tell a drop"
        return {"drop": drop, "reason": few if rows < FEWEST_ROWS else "the standard error is undefined"}
    return {"drop": drop, "drop_se": error, "p_value": drop_p_value(drop, error, 0.0)}


def _interval(metric: Metric, value: float, error: float) -> list[float]:
    """value ± 1.96 se within what the metric can be."""
    low = -math.inf if metric.name in ("r2", "mae_skill") else 0.0
    high = 1.0 if metric.greater_is_better else math.inf
    return [max(low, value - Z_95 * error), min(high, value + Z_95 * error)]
