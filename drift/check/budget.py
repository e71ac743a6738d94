"""One budget of false alarms for a whole check, also for a reference that is kept from check to check."""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy
from scipy import special

from drift.statistics.scores import Floats

KEPT_RATIO = 10.0
"""From a reference of so many batches on, the budget holds for 95 % of references, not only on average."""
COVERED = 0.95


def holm(p_values: Sequence[float], weights: Sequence[float]) -> Floats:
    """Adjusted p-values, shape (k,): the chance that any false one is ≤ alpha is at most alpha, however the tests
    depend on each other (Holm 1979, weighted).

    `weights` share the budget out; p_(i) is multiplied by the weights not yet rejected over its own.

    >>> holm([0.01, 0.04], [0.5, 0.5])
    array([0.02, 0.04])
    """
    p, w = np.asarray(p_values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if not len(p):
        return p
    order = np.argsort(p / w, kind="stable")
    left = np.cumsum(w[order][::-1])[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * (left / w[order]))
    return np.minimum(adjusted, 1.0)


def kept_threshold(alpha: float, weights: Sequence[float], ratios: Sequence[float]) -> float:
    """The level for tests of these weights that keeps the rate of alarms within alpha for 95 % of references that
    have `ratios` times the rows of a check; an infinite ratio asks for alpha on average only.

    A kept reference is off by chance, and every check feels the same error. With test j's error δ_j normal with
    variance 1/ratio in units of the batch's, its rate is P(|Z + δ_j| > z_j √(1 + 1/ratio)); over references the sum
    of these has a known mean and variance, and is taken to be gamma distributed.

    >>> 0.02 < kept_threshold(0.05, [0.05] * 20, [10] * 20) < 0.05
    True
    """
    return _threshold(alpha, *_grouped(weights, ratios))


def kept_rate(level: float, weights: Sequence[float], ratios: Sequence[float]) -> float:
    """The rate of alarms that 95 % of references stay below, at this level of the tests; see `kept_threshold`."""
    return _rate(level, *_grouped(weights, ratios))


def _grouped(
    weights: Sequence[float], ratios: Sequence[float]
) -> tuple[tuple[tuple[float, float], ...], tuple[int, ...]]:
    """Distinct weights and ratios of two digits, and how many tests have each."""
    found = Counter((float(f"{w:.6g}"), float(f"{r:.2g}")) for w, r in zip(weights, ratios, strict=True))
    kinds = tuple(sorted(found))
    return kinds, tuple(found[kind] for kind in kinds)


def _rate(level: float, kinds: tuple[tuple[float, float], ...], many: tuple[int, ...]) -> float:
    mean = variance = 0.0
    for (weight, ratio), times in zip(kinds, many, strict=True):
        one, spread = _moments(level * weight, ratio)
        mean += times * one
        variance += times * spread
    if mean <= 0 or variance <= 0:
        return mean
    shape = mean**2 / variance
    return float(min(special.gammaincinv(shape, COVERED) * variance / mean, 1.0))


@lru_cache(maxsize=256)
def _threshold(alpha: float, kinds: tuple[tuple[float, float], ...], many: tuple[int, ...]) -> float:
    if _rate(alpha, kinds, many) <= alpha * (1 + 1e-9):
        return alpha

    def excess(log_level: float) -> float:
        return _rate(float(np.exp(log_level)), kinds, many) - alpha

    return float(np.exp(scipy.optimize.brentq(excess, np.log(alpha) - 12, np.log(alpha), xtol=1e-3)))


@lru_cache(maxsize=1024)
def _moments(level: float, ratio: float) -> tuple[float, float]:
    """Mean and variance over references of one test's rate of alarms."""
    if not np.isfinite(ratio):
        return level, 0.0
    points, weights = np.polynomial.hermite_e.hermegauss(40)
    shares = weights / weights.sum()
    errors = points / np.sqrt(ratio)
    limit = -special.ndtri(min(level, 1.0) / 2) * np.sqrt(1 + 1 / ratio)
    rates = special.ndtr(errors - limit) + special.ndtr(-errors - limit)
    mean = float(shares @ rates)
    return mean, float(shares @ (rates - mean) ** 2)
