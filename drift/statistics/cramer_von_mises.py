"""The two-sample Cramér–von Mises test."""

import math

import numpy as np
import scipy

from drift.statistics.samples import Sample, sample
from drift.statistics.scores import Floats, Score, nothing
from drift.statistics.statistic import OfSamples, of_scipy

EXACT_ROWS = 20
"""Up to so many rows on both sides the p-value is exact, beyond it the asymptotic one: as in SciPy."""

NODES = 256


def cramer_von_mises(reference: Floats | Sample, current: Floats | Sample) -> Score:
    """The mean squared distance T between the distribution functions of shapes (n,) and (m,), and its p-value.

    Equal to `scipy.stats.cramervonmises_2samp` (Anderson 1962; exact p-values of Xiao, Gordon and Yakovlev
    2006), but that asymptotic p-values below 1e-9 keep their digits. For each distinct value let f and c be how
    often it occurs on either side, p = f/n, q = c/m, and d the distance of the distribution functions in the
    middle of their jumps there. Then, without cancellation,
    T = nm/(n + m) Σ (p + q)/2 (d² + (p² − 4pq + q²)/12) + (2nm + Σ n(f³ − f) + m(c³ − c)) / (12nm(n + m)).

    >>> round(cramer_von_mises(np.arange(100.0), np.arange(100.0) + 50).statistic, 4)
    8.3337
    """
    left, right = sample(reference), sample(current)
    if min(len(left), len(right)) < 2:
        return nothing("fewer than two values on one side")
    if max(len(left), len(right)) <= EXACT_ROWS:
        result = scipy.stats.cramervonmises_2samp(left.values, right.values, method="exact")
        return Score(float(result.statistic), float(np.clip(result.pvalue, 0.0, 1.0)))
    n, m = len(left), len(right)
    _, f, c = distinct(left, right)
    p, q = f / n, c / m
    d = (np.cumsum(f) - f / 2) / n - (np.cumsum(c) - c / 2) / m
    between = float(np.sum((p + q) / 2 * (d**2 + (p**2 - 4 * p * q + q**2) / 12)))
    ties = float(np.sum(n * (f**3 - f) + m * (c**3 - c)))
    statistic = n * m / (n + m) * between + (2.0 * n * m + ties) / (12.0 * n * m * (n + m))
    return Score(statistic, cramer_von_mises_tail(_standardized(statistic, n, m)))


def distinct(reference: Sample, current: Sample) -> tuple[Floats, Floats, Floats]:
    """The distinct values of both samples, ascending, and how often each occurs on either side; shape (g,) each.

    The samples are merged, not sorted: O(n + m).

    >>> distinct(Sample(np.array([1.0, 2.0])), Sample(np.array([2.0, 2.0])))
    (array([1., 2.]), array([1., 1.]), array([0., 2.]))
    """
    values = np.concatenate([reference.values, current.values])
    order = np.argsort(values, kind="stable")
    values = values[order]
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    left = np.diff(np.cumsum(order < len(reference))[ends], prepend=0)
    both = np.diff(ends, prepend=-1)
    return values[ends], left.astype(np.float64), (both - left).astype(np.float64)


def cramer_von_mises_tail(value: float) -> float:
    """P(Σ Z_j²/(πj)² > value) for standard normal Z_j, the limit law of the one-sample statistic.

    Smirnov's (1936) formula: (2/π) Σ_k (−1)^(k+1) ∫ exp(−value s²/2) / √(s |sin s|) ds, s from (2k − 1)π to 2kπ.
    Each digit of a small probability is right.

    >>> round(cramer_von_mises_tail(0.46136), 5)
    0.05
    """
    if value < 0.003:
        return 1.0
    angle, weights = chebyshev()
    k = np.arange(1, math.ceil(math.sqrt(2 * 60 / value) / (2 * math.pi)) + 3)[:, None]
    s = math.pi * (2 * k - 0.5 + angle / 2)
    pieces = np.exp(-value * s**2 / 2) / np.sqrt(s) @ weights
    return float(np.clip(np.sum(pieces * (-1.0) ** (k[:, 0] + 1)), 0.0, 1.0))


def chebyshev() -> tuple[Floats, Floats]:
    """Nodes u in (−1, 1) and weights w with Σ w h(u) = ∫ h(u) / √cos(πu/2) du for smooth h; shape (256,) each."""
    u = np.cos((np.arange(NODES) + 0.5) * math.pi / NODES)
    return u, np.sqrt((1 - u**2) / np.cos(math.pi * u / 2)) * math.pi / NODES


def _standardized(statistic: float, n: int, m: int) -> float:
    """The statistic with the limit law's mean 1/6 and variance 1/45."""
    rows, pairs = n + m, n * m
    mean = (1 + 1 / rows) / 6
    variance = (rows + 1) * (4 * pairs * rows - 3 * (n**2 + m**2) - 2 * pairs) / (45 * rows**2 * 4 * pairs)
    return 1 / 6 + (statistic - mean) / math.sqrt(45 * variance)


def _scipy(reference: Floats, current: Floats) -> tuple[float, float | None]:
    """SciPy's asymptotic p-values are off by up to 1e-7, so small ones cannot be compared."""
    statistic, p_value = of_scipy(scipy.stats.cramervonmises_2samp(reference, current))
    return statistic, p_value if p_value > 1e-6 else None


STATISTIC = OfSamples(
    name="cramer_von_mises",
    title="Cramér–von Mises",
    what="mean squared distance between the distribution functions, as in `scipy.stats.cramervonmises_2samp`; small"
    " p-values keep their digits",
    source="Anderson 1962; Xiao, Gordon and Yakovlev 2006",
    is_test=True,
    at_equality=None,
    function=cramer_von_mises,
    oracle=_scipy,
)
