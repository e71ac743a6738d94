"""How sure a difference between two replays of the same batches is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrain.metrics.resampling import block_counts

RESAMPLES = 2000
LEVEL = 0.9
FEWEST_BATCHES = 4
Scores = Sequence[float | None]


@dataclass(frozen=True)
class Difference:
    """The mean of `a − b` over `batches` that both have a score for, in the metric's unit (positive: a is better), its
    standard error, and an interval of LEVEL; None where there are too few batches."""

    mean: float | None
    se: float | None
    low: float | None
    high: float | None
    batches: int


def mean_of(scores: Scores) -> float | None:
    """Over the batches that have a score; None for none.

    >>> mean_of([None, 1.0, 2.0])
    1.5
    """
    known = [score for score in scores if score is not None]
    return float(np.mean(known)) if known else None


def paired(a: Scores, b: Scores, greater_is_better: bool, seed: int = 0) -> Difference:
    """Paired circular block bootstrap over batches (Politis and Romano 1992), blocks of the cube root of their number:
    neighbouring batches resemble each other.

    >>> paired([0.8] * 8, [0.7] * 8, True).mean
    0.1
    """
    both = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    if len(both) < FEWEST_BATCHES:
        return Difference(None, None, None, None, len(both))
    gains = np.array([x - y if greater_is_better else y - x for x, y in both])
    rng = np.random.default_rng(seed)
    counts = np.array([block_counts(len(gains), rng) for _ in range(RESAMPLES)])
    means = counts @ gains / counts.sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(round(float(gains.mean()), 12), float(means.std(ddof=1)), float(low), float(high), len(gains))


def recovered(policy: float | None, never: float | None, every: float | None) -> float | None:
    """(policy − never) / (every − never): the share of what a retrain at every batch gains; None where that is nothing.

    >>> round(recovered(0.8, 0.7, 0.9), 3)
    0.5
    """
    if policy is None or never is None or every is None or every == never:
        return None
    return (policy - never) / (every - never)
