"""The two-sample Anderson–Darling test."""

import math
from math import inf

import numpy as np
import scipy

from drift.statistics.cramer_von_mises import chebyshev, distinct
from drift.statistics.samples import Sample, sample
from drift.statistics.scores import Floats, Score, nothing
from drift.statistics.statistic import OfSamples

VARIANCE = 2 * (math.pi**2 - 9) / 3
"""Of the limit law, whose mean is 1."""

TERMS = 1_000_000
"""Are added up at a time."""


def anderson_darling(reference: Floats | Sample, current: Floats | Sample) -> Score:
    """Squared distance of the distribution functions of shapes (n,) and (m,), weighted towards both tails.

    The standardized statistic of `scipy.stats.anderson_ksamp(variant="midrank")` (Scholz and Stephens 1987).
    With N = n + m and, for each distinct value, its count l and the middles R, C, B = R + C of the jumps of the
    cumulative counts, A² = (N − 1)/N² (1/n + 1/m) Σ l (mR − nC)² / (B(N − B) − Nl/4).
    SciPy's p-value ends at 0.001 and 0.25; this one is the limit law's at the same mean and variance.

    >>> score = anderson_darling(np.arange(100.0), np.arange(100.0) + 10)
    >>> round(score.statistic, 4), round(score.p_value, 4)
    (3.3632, 0.0143)
    """
    left, right = sample(reference), sample(current)
    if not len(left) or not len(right):
        return nothing("empty")
    if len(left) + len(right) < 4:
        return nothing("fewer than four values on both sides together")
    _, f, c = distinct(left, right)
    if len(f) < 2:
        return nothing("constant: one value on both sides")
    n, m = len(left), len(right)
    rows, tied = float(n + m), f + c
    before, now = np.cumsum(f) - f / 2, np.cumsum(c) - c / 2
    both = before + now
    weighted = float(np.sum(tied * (m * before - n * now) ** 2 / (both * (rows - both) - rows * tied / 4)))
    value = (rows - 1) / rows**2 * (1 / n + 1 / m) * weighted
    statistic = (value - 1) / math.sqrt(_variance(n, m))
    return Score(statistic, anderson_darling_tail(1 + statistic * math.sqrt(VARIANCE)))


def anderson_darling_tail(value: float) -> float:
    """P(Σ Z_j²/(j(j + 1)) > value) for standard normal Z_j, the limit law of A² (Anderson and Darling 1952).

    Smirnov's (1936) formula: (1/π) Σ_k (−1)^(k+1) ∫ exp(−value y/2) / (y √|D(y)|) dy, y from 2k(2k − 1) to
    2k(2k + 1), with D(y) = −cos(π √(1 + 4y)/2) / (πy). Each digit of a small probability is right.

    >>> round(anderson_darling_tail(2.4924), 5)
    0.05
    """
    if value < 0.01:
        return 1.0
    angle, weights = chebyshev()
    k = np.arange(1, math.ceil(math.sqrt(8 * 60 / value) / 4) + 3)[:, None]
    s = 4 * k + angle
    y = (s**2 - 1) / 4
    pieces = np.exp(-value * y / 2) * s / np.sqrt(4 * math.pi * y) @ weights
    return float(np.clip(np.sum(pieces * (-1.0) ** (k[:, 0] + 1)), 0.0, 1.0))


def _variance(n: int, m: int) -> float:
    """Of A² under the hypothesis, without ties (Scholz and Stephens 1987, for two samples)."""
    rows = n + m
    inverse = 1 / n + 1 / m
    h = g = 0.0
    for first in range(2, rows, TERMS):  # sums of 1/(rows − 1) on, and of these over 2, 3, …
        place = np.arange(first, min(first + TERMS, rows), dtype=np.float64)
        sums = h + np.cumsum(1 / (rows + 1 - place))
        h = float(sums[-1])
        g += float(np.sum(sums / place))
    h += 1
    a = 4 * g - 6 + (10 - 6 * g) * inverse
    b = 12 * g + 8 * h - 22 + (2 * g - 14 * h - 4) * inverse
    c = 36 * h + 4 + (2 * h - 6) * inverse
    return (a * rows**3 + b * rows**2 + c * rows + 24) / ((rows - 1.0) * (rows - 2.0) * (rows - 3.0))


STATISTIC = OfSamples(
    name="anderson_darling",
    title="Anderson–Darling",
    what="squared distance between the distribution functions, weighted towards both tails and standardized as in"
    " `scipy.stats.anderson_ksamp`, whose p-value ends at 0.001 and 0.25; this one is not clipped",
    source="Scholz and Stephens 1987",
    is_test=True,
    bounds=(-inf, inf),
    at_equality=None,
    function=anderson_darling,
    oracle=lambda reference, current: (
        scipy.stats.anderson_ksamp([reference, current], variant="midrank").statistic,
        None,
    ),
)
