"""How the champion does on labelled rows, against its evaluation before promotion."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from drift.notation import counted
from retrain.metrics.metric import Metric
from retrain.metrics.resampling import standard_error
from retrain.records.predictions import Labels, Predictions
from retrain.records.settings import ModelSettings

MOST_CLASSES = 5
"""Named in a note."""
Z_95 = 1.959964
"""The 97.5 % quantile of the standard normal distribution."""
PERFORMANCE_SHARE = 0.25
"""Of a check's budget of false alarms; the tests of drift share the rest."""
STREAM_SHARE = 0.5
"""Of this, where a detector watches the stream of errors; the test of the metric has the rest."""


def labelled_performance(
    metric: Metric,
    y: Labels,
    predictions: Predictions,
    evaluated: Mapping[str, Any],
    settings: ModelSettings,
) -> dict[str, Any]:
    """The metric on `y` (n,), its standard error and 95 % `interval`, and whether it dropped below `evaluated`.

    It dropped where a one-sided z-test of the difference from `evaluated` (value and se) is significant at
    `metric_level` and the drop, in the metric's unit, is at least `triggers.min_drop`.
    `reason` says why a number is None.
    """
    found = metric.evaluate(y, predictions)
    error = None
    if found.value is not None:
        error = standard_error(metric, y, predictions, seed=settings.estimator.seed)
    result: dict[str, Any] = {
        "metric": metric.name,
        "value": found.value,
        "se": error,
        "interval": None if error is None else interval(found.value, error),
        "reference": evaluated.get("value"),
        "reference_se": evaluated.get("se"),
        "rows": len(y),
        "dropped": False,
        "drop": None,
        "p_value": None,
        "reason": found.reason or None,
    }
    if found.value is None:
        return result
    return result | _difference(metric, result, settings) | _unknown_classes_note(y, predictions)


def metric_level(settings: ModelSettings) -> float:
    """The chance of a false alarm that the test of the metric may have in one check.

    >>> metric_level(ModelSettings(data_dir="d", task="regression", target="y"))
    0.00125
    """
    watched = settings.drift.detector != "none"
    return PERFORMANCE_SHARE * settings.drift.false_alarms * ((1 - STREAM_SHARE) if watched else 1.0)


def stream_level(settings: ModelSettings) -> float:
    """The chance of a false alarm that the detector of the stream of errors may have in one check."""
    return PERFORMANCE_SHARE * settings.drift.false_alarms * STREAM_SHARE


def interval(value: float | None, se: float) -> list[float] | None:
    """The normal 95 % confidence interval.

    >>> [round(end, 3) for end in interval(0.8, 0.01)]
    [0.78, 0.82]
    """
    return None if value is None else [value - Z_95 * se, value + Z_95 * se]


def drop_p_value(drop: float, se: float, reference_se: float) -> float:
    """One-sided p-value of a drop as large as this, of two independent normal estimates.

    >>> round(drop_p_value(0.1, 0.03, 0.04), 4)
    0.0228
    """
    spread = math.hypot(se, reference_se)
    if spread == 0:
        return 0.0 if drop > 0 else 1.0
    return 0.5 * math.erfc(drop / spread / math.sqrt(2))


def _difference(metric: Metric, result: dict[str, Any], settings: ModelSettings) -> dict[str, Any]:
    """The difference from the evaluation, as far as it can be told."""
    if result["reference"] is None:
        return {"reason": "the version's evaluation has no value to compare with"}
    drop = -metric.improvement(result["reference"], result["value"])
    if result["rows"] < settings.drift.min_rows:
        few = f"only {counted(result['rows'], 'labelled row')}; {settings.drift.min_rows} are needed to tell a drop"
        return {"drop": drop, "reason": few}
    if result["se"] is None:
        return {"drop": drop, "reason": "the standard error of the metric is undefined on these rows"}
    p_value = drop_p_value(drop, result["se"], result["reference_se"] or 0.0)
    significant = p_value <= metric_level(settings)
    return {
        "drop": drop,
        "p_value": p_value,
        "dropped": significant and drop > 0 and drop >= settings.triggers.min_drop,
    }


def _unknown_classes_note(y: Labels, predictions: Predictions) -> dict[str, Any]:
    counts = Counter(y.tolist()) if predictions.classes is not None else {}
    unknown = {name: count for name, count in sorted(counts.items()) if name not in (predictions.classes or ())}
    if not unknown:
        return {}
    names = ", ".join(f"{name!r} ({counted(count, 'row')})" for name, count in list(unknown.items())[:MOST_CLASSES])
    return {"unknown_classes": unknown, "notes": [f"the champion never saw these classes: {names}"]}
