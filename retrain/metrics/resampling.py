"""How sure a metric is: analytic standard errors of row means, block bootstrap of everything else.

Blocks are consecutive rows, since neighbours in time resemble each other (circular block bootstrap, Politis
and Romano 1992). A resample is a weight for each row: how often the row was drawn.
"""

import math
from collections.abc import Sequence

import numpy as np

from retrain.metrics.metric import Metric, Undefined, Weighted
from retrain.records.predictions import Floats, Labels, Predictions

FEWEST_RESAMPLES = 20


def standard_error(
    metric: Metric, y: Labels, predictions: Predictions, *, seed: int = 0, n_boot: int = 200
) -> float | None:
    """Standard error of `metric.score`, in the metric's unit; None where the metric is undefined."""
    rows = metric.row_values(y, predictions)
    if rows is not None:
        return mean_error(rows)
    return spread(bootstrap_scores(metric, y, [predictions], seed=seed, n_boot=n_boot)[:, 0])


def mean_error(rows: Floats) -> float | None:
    """Standard error of a mean of independent rows (n,); None for fewer than two."""
    if len(rows) < 2:
        return None
    share = np.full(len(rows), 1 / len(rows))
    deviations = rows - share @ rows
    small_sample = len(rows) / (len(rows) - 1)
    return math.sqrt(float(share**2 @ deviations**2) * small_sample)


def bootstrap_scores(
    metric: Metric, y: Labels, candidates: Sequence[Predictions], *, seed: int = 0, n_boot: int = 200
) -> Floats:
    """Scores (n_boot, candidates) on the same resamples, so that differences are paired; NaN: undefined."""
    scores = np.full((n_boot, len(candidates)), np.nan)
    if len(y) < 2:
        return scores
    try:
        bound = [metric.bind(np.asarray(y), predictions) for predictions in candidates]
    except Undefined:
        return scores
    rng = np.random.default_rng(seed)
    for draw in range(n_boot):
        counts = block_counts(len(y), rng)
        scores[draw] = [value_or_nan(one, counts) for one in bound]
    return scores


def block_counts(rows: int, rng: np.random.Generator, length: int | None = None) -> Floats:
    """How often each of `rows` is drawn by circular blocks of `length` rows (default: the cube root)."""
    length = length or max(1, round(rows ** (1 / 3)))
    starts = np.bincount(rng.integers(0, rows, math.ceil(rows / length)), minlength=rows).astype(np.float64)
    heaped = np.cumsum(np.concatenate([starts[rows - length :], starts]))
    counts: Floats = heaped[length:] - heaped[:-length]
    return counts


def spread(scores: Floats) -> float | None:
    """Standard deviation of the defined resamples (n_boot,); None where too few are defined."""
    defined = scores[np.isfinite(scores)]
    return float(defined.std(ddof=1)) if len(defined) >= FEWEST_RESAMPLES else None


def value_or_nan(bound: Weighted, weight: Floats) -> float:
    """Of a bound metric with these weights (n,); NaN where it is undefined."""
    try:
        return bound(weight) if weight.sum() > 0 else math.nan
    except Undefined:
        return math.nan
