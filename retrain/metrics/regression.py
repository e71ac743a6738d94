"""Metrics of regression: `y` and `predictions.values` are (n,) numbers."""

import math

import numpy as np

from retrain.metrics.metric import Bind, Undefined, Weighted
from retrain.records.predictions import Floats, Labels, Predictions


def absolute_errors(y: Labels, predictions: Predictions) -> Floats:
    """|y − prediction|, shape (n,)."""
    return np.abs(_numbers(y) - _numbers(predictions.values))


def rmse(y: Labels, predictions: Predictions) -> Weighted:
    """Root of the weighted mean squared error."""
    squares = absolute_errors(y, predictions) ** 2
    return lambda weight: math.sqrt(float(weight @ squares / weight.sum()))


def r2(y: Labels, predictions: Predictions) -> Weighted:
    """1 − squared error / squared deviation from the weighted mean; undefined for constant labels."""
    truth = _numbers(y)
    squares = absolute_errors(y, predictions) ** 2
    if len(truth) == 0 or np.all(truth == truth[0]):
        raise Undefined("the labels are all the same number")

    def value(weight: Floats) -> float:
        deviation = float(weight @ (truth - weight @ truth / weight.sum()) ** 2)
        return 1.0 - float(weight @ squares) / deviation if deviation > 0 else math.nan

    return value


def relative_to(median: float) -> Bind:
    """1 − absolute error / absolute error of the constant `median`; undefined where that never errs."""

    def bind(y: Labels, predictions: Predictions) -> Weighted:
        errors = absolute_errors(y, predictions)
        naive = np.abs(_numbers(y) - median)
        if not naive.any():
            raise Undefined(f"all labels equal the initial median {median:g}")

        def value(weight: Floats) -> float:
            base = float(weight @ naive)
            return 1.0 - float(weight @ errors) / base if base > 0 else math.nan

        return value

    return bind


def _numbers(values: Labels) -> Floats:
    return np.asarray(values, dtype=np.float64)
