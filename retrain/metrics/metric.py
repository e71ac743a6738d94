"""The shape of every metric: bound to labels and predictions, it is a function of weights alone.

So the sorting for a ROC curve happens once, and a bootstrap draws weights, not rows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from retrain.records.predictions import Floats, Labels, Predictions

Weighted = Callable[[Floats], float]
Bind = Callable[[Labels, Predictions], Weighted]
RowValues = Callable[[Labels, Predictions], Floats]


class Undefined(Exception):
    """The metric has no value for these rows; the message says why."""


@dataclass(frozen=True)
class Value:
    """A metric's value, or None with the reason."""

    value: float | None
    reason: str = ""


@dataclass(frozen=True)
class Metric:
    """A named score. `y` is (n,) class names or numbers, none missing; `weight` is (n,), None: all equal."""

    name: str
    greater_is_better: bool
    needs_probabilities: bool
    bind: Bind
    rows: RowValues | None = None
    base: Floats | None = None
    """How much each row counts before any weight, where not all count alike; see `weighted`."""

    def evaluate(self, y: Labels, predictions: Predictions, weight: Floats | None = None) -> Value:
        """The value, or why there is none: no rows, one class only, no probabilities."""
        if len(y) == 0:
            return Value(None, "no labelled rows")
        try:
            value = self.bind(np.asarray(y), predictions)(np.ones(len(y)) if weight is None else weight)
        except Undefined as error:
            return Value(None, str(error))
        return Value(value) if math.isfinite(value) else Value(None, f"{self.name} is not a finite number")

    def score(self, y: Labels, predictions: Predictions, weight: Floats | None = None) -> float | None:
        """The value, or None where `evaluate` gives a reason."""
        return self.evaluate(y, predictions, weight).value

    def row_values(self, y: Labels, predictions: Predictions) -> Floats | None:
        """Each row's share (n,) where the metric is their weighted mean; None for other metrics."""
        if self.rows is None or (self.needs_probabilities and predictions.probabilities is None):
            return None
        return self.rows(np.asarray(y), predictions)

    def improvement(self, champion: float, challenger: float) -> float:
        """How much better the challenger's value is, in the metric's unit; negative where it is worse."""
        return challenger - champion if self.greater_is_better else champion - challenger


def weighted(metric: Metric, base: Floats | None) -> Metric:
    """The metric of just these n rows, of which each counts `base` (n,) times as much; None: all count alike.

    Row values are of the mean's linearisation, so that their standard error is that of a weighted mean (Hájek 1971)."""
    if base is None:
        return metric
    normal = base / base.mean()

    def bind(y: Labels, predictions: Predictions) -> Weighted:
        bound = metric.bind(y, predictions)
        return lambda weight: bound(weight * normal)

    def rows(y: Labels, predictions: Predictions) -> Floats:
        assert metric.rows is not None
        values = metric.rows(y, predictions)
        mean = float(np.mean(normal * values))
        linear: Floats = mean + normal * (values - mean)
        return linear

    return replace(metric, bind=bind, rows=None if metric.rows is None else rows, base=normal)
