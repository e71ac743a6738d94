"""What a regression metric is expected to be, given the expected moments of the error of each row."""

import math
from collections.abc import Callable
from typing import cast

import numpy as np

from retrain.monitoring.estimate.common import Score
from retrain.records.predictions import Floats, Predictions
from retrain.records.settings import METRICS


def scatter(beliefs: Floats) -> Floats:
    """Standard deviation of the errors (n,) around their mean."""
    return cast(Floats, np.sqrt(np.maximum(beliefs[:, 1] - beliefs[:, 2] ** 2, 0.0)))


def _r2(predictions: Predictions) -> Score:
    """1 − error² / variance of the labels: that of their expectations and that around them."""
    values = np.asarray(predictions.values, dtype=np.float64)

    def score(beliefs: Floats, weight: Floats) -> float:
        share, centre = weight / weight.sum(), values + beliefs[:, 2]
        variance = float(share @ ((centre - share @ centre) ** 2 + scatter(beliefs) ** 2))
        return 1.0 - float(share @ beliefs[:, 1]) / variance if variance > 0 else math.nan

    return score


def _mae_skill(beliefs: Floats, weight: Floats) -> float:
    naive = float(weight @ beliefs[:, 3])
    return 1.0 - float(weight @ beliefs[:, 0]) / naive if naive > 0 else math.nan


def _mae(beliefs: Floats, weight: Floats) -> float:
    return float(weight @ beliefs[:, 0] / weight.sum())


def _rmse(beliefs: Floats, weight: Floats) -> float:
    return math.sqrt(float(weight @ beliefs[:, 1] / weight.sum()))


OF_NUMBERS: dict[str, Callable[[Predictions], Score]] = {
    "mae": lambda _: _mae,
    "rmse": lambda _: _rmse,
    "r2": _r2,
    "mae_skill": lambda _: _mae_skill,
}
assert set(OF_NUMBERS) == set(METRICS["regression"])
