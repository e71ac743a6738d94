"""The two-sided two-sample Kolmogorov–Smirnov test."""

import warnings

import numpy as np
from scipy import stats

from drift.samples import Sample, sample
from drift.scores import Floats, Score, nothing

EXACT_ROWS = 10_000
"""Up to so many rows on either side the p-value is exact, beyond it Smirnov's asymptotic one: as in SciPy."""


def ks(reference: Floats | Sample, current: Floats | Sample) -> Score:
    """Largest distance D between the distribution functions of shapes (n,) and (m,), and its p-value.

    With y the sorted current values, R = #{reference ≤ y} and L = #{reference < y},
    D = max(max j/m − R_j/n, max L_j/n − (j − 1)/m): exact from the current points alone.
    P-values: `scipy.stats.ks_2samp` (Hodges 1958; Simard and L'Ecuyer 2011).

    >>> ks(np.arange(100.0), np.arange(100.0) + 50).statistic
    0.5
    """
    left, right = sample(reference), sample(current)
    if not len(left) or not len(right):
        return nothing("empty")
    if max(len(left), len(right)) <= EXACT_ROWS:
        return _exact(left, right)
    distance = ks_distance(left, right)
    rows = len(left) * len(right) / (len(left) + len(right))
    p_value = float(np.clip(stats.kstwo.sf(distance, np.round(rows)), 0, 1))
    return Score(distance, p_value)


def ks_distance(reference: Sample, current: Sample) -> float:
    """D alone, of two samples that are not empty."""
    n, m = len(reference), len(current)
    below = np.searchsorted(reference.values, current.values, side="left")
    up_to = np.searchsorted(reference.values, current.values, side="right")
    steps = np.arange(1, m + 1)
    above = np.max(steps / m - up_to / n)
    under = np.max(below / n - (steps - 1) / m)
    return float(np.clip(max(above, under), 0.0, 1.0))


def _exact(reference: Sample, current: Sample) -> Score:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where the count overflows it takes the asymptotic one
        result = stats.ks_2samp(reference.values, current.values, method="auto")
    return Score(float(result.statistic), float(result.pvalue))
