"""How sure a metric is: analytic standard errors of row means, block bootstrap of everything else.

Blocks are consecutive rows, since neighbours in time resemble each other (circular block bootstrap, Politis
and Romano 1992). A resample is a weight for each row: how often the row was drawn.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from retrain.metrics.metric import Metric, Undefined, Weighted
from retrain.records.predictions import Floats, Labels, Predictions

FEWEST_RESAMPLES = 20


def standard_error(
    metric: Metric, y: Labels, predictions: Predictions, *, seed: int = 0, n_boot: int = 200
) -> float | None:
    """Standard error of `metric.score`, in the metric's unit; None where the metric is undefined."""
    return Resampled(metric, y, [predictions], seed, n_boot).error(predictions)


class Resampled:
    """Errors of a metric and of its differences, of several `candidates` on the same n rows with labels y (n,). Rows
    are drawn once for all of them, and not before they are asked for."""

    def __init__(
        self, metric: Metric, y: Labels, candidates: Sequence[Predictions], seed: int = 0, n_boot: int = 200
    ) -> None:
        self.metric, self.y = metric, y
        self._candidates, self._seed, self._n_boot = candidates, seed, n_boot

    def error(self, one: Predictions) -> float | None:
        """Standard error of what one scores; None where the metric is undefined."""
        rows = self.metric.row_values(self.y, one)
        return spread(self._scores_of(one)) if rows is None else mean_error(rows)

    def error_of_difference(self, one: Predictions, other: Predictions) -> float | None:
        """Standard error of the difference of what both score, paired; None where the metric is undefined."""
        rows, others = self.metric.row_values(self.y, one), self.metric.row_values(self.y, other)
        if rows is not None and others is not None:
            return mean_error(rows - others)
        differences = self._scores_of(one) - self._scores_of(other)
        defined = differences[np.isfinite(differences)]
        return float(defined.std(ddof=1)) if len(defined) > 1 else None

    def _scores_of(self, one: Predictions) -> Floats:
        return self._scores[:, next(place for place, other in enumerate(self._candidates) if other is one)]

    @cached_property
    def _scores(self) -> Floats:
        return bootstrap_scores(self.metric, self.y, self._candidates, seed=self._seed, n_boot=self._n_boot)


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
    bound = {place: one for place, one in enumerate(_bound(metric, y, candidates)) if one is not None}
    if len(y) < 2 or not bound:
        return scores
    rng = np.random.default_rng(seed)
    for draw in range(n_boot):
        counts = block_counts(len(y), rng)
        for place, one in bound.items():
            scores[draw, place] = value_or_nan(one, counts)
    return scores


def _bound(metric: Metric, y: Labels, candidates: Sequence[Predictions]) -> Iterator[Weighted | None]:
    for predictions in candidates:
        try:
            yield metric.bind(np.asarray(y), predictions)
        except Undefined:
            yield None


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
