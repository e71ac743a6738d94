"""The two-sided Mann–Whitney U test."""

import math

import numpy as np
import scipy
from scipy import special

from drift.statistics.cramer_von_mises import distinct
from drift.statistics.samples import Sample, sample
from drift.statistics.scores import Floats, Score, nothing
from drift.statistics.statistic import OfSamples, of_scipy

EXACT_ROWS = 8
"""With so many rows or fewer on one side, and no ties, the p-value is exact, else normal: as in SciPy."""

EXACT_PAIRS = 10_000_000
"""Beyond so many pairs it is normal all the same, which bounds time and memory."""


def mann_whitney(reference: Floats | Sample, current: Floats | Sample) -> Score:
    """U = #{reference > current} + ½ #{equal} over all pairs of shapes (n,) and (m,), and its p-value.

    Equal to `scipy.stats.mannwhitneyu(reference, current)` (Mann and Whitney 1947), corrected for ties and
    continuity. `superiority` = P(current > reference) + ½ P(equal) = 1 − U/nm; ½ where neither is larger.

    >>> mann_whitney(np.array([1.0, 2.0, 3.0]), np.array([3.0, 4.0])).extras
    {'superiority': 0.9166666666666666}
    """
    left, right = sample(reference), sample(current)
    n, m = len(left), len(right)
    if not n or not m:
        return nothing("empty")
    _, f, c = distinct(left, right)
    tied = f + c
    larger, ties = float(np.sum(c * (np.cumsum(f) - f / 2))), float(np.sum(tied**3 - tied))
    statistic, values = n * m - larger, len(f)
    untied = values == n + m
    if untied and min(n, m) <= EXACT_ROWS and n * m <= EXACT_PAIRS:
        p_value = _exact(round(min(statistic, larger)), min(n, m), max(n, m))
    else:
        p_value = 1.0 if values == 1 else _normal(max(statistic, larger), n, m, ties)
    return Score(statistic, p_value, {"superiority": larger / (n * m)})


def _normal(statistic: float, n: int, m: int, ties: float) -> float:
    rows = n + m
    shrunk = rows + 1 - ties / (rows * (rows - 1))
    z = (statistic - n * m / 2 - 0.5) / math.sqrt(n * m / 12 * shrunk)
    return float(np.clip(2 * special.ndtr(-z), 0.0, 1.0))


def _exact(statistic: int, few: int, many: int) -> float:
    """2 P(U ≤ statistic): the ways to get each U are the coefficients of Π (1 − x^(many + i)) / (1 − x^i),
    i = 1, …, few; dividing by 1 − x^i is a running sum with stride i."""
    ways = np.zeros(statistic + 1)
    ways[0] = 1
    for i in range(1, few + 1):
        if many + i <= statistic:
            ways[many + i :] -= ways[: statistic + 1 - many - i].copy()
        padded = np.pad(ways, (0, -len(ways) % i)).reshape(-1, i)
        ways = np.cumsum(padded, axis=0).ravel()[: statistic + 1]
    return float(np.clip(2 * np.sum(ways) / special.binom(few + many, few), 0.0, 1.0))


STATISTIC = OfSamples(
    name="mann_whitney",
    title="Mann–Whitney",
    what="U, as in `scipy.stats.mannwhitneyu`; `superiority` is the chance that a current value is the larger one, ½"
    " where neither side is",
    source="Mann and Whitney 1947",
    is_test=True,
    at_equality=None,
    symmetric=False,
    function=mann_whitney,
    oracle=lambda reference, current: of_scipy(scipy.stats.mannwhitneyu(reference, current)),
)
