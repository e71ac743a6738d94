"""The two-sided two-sample Kolmogorov–Smirnov test."""

import math
import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import scipy
from scipy import special

from drift.statistics.ks_exact import MOST_ROWS, exact_p_value
from drift.statistics.samples import Sample, sample
from drift.statistics.scores import Floats, Score, nothing
from drift.statistics.statistic import OfNumbers, Pair, of_scipy

EXACT_ROWS = 10_000
"""Up to so many rows on either side the p-value is exact, beyond it Smirnov's asymptotic one: as in SciPy."""

MANY_ROWS = 20_000
FEW_ROWS, DURBIN_ROWS, DURBIN = 140, 100_000, 1.4
"""SciPy's limits for the series of Pelz and Good: more rows than 140; up to 100,000 it sums up otherwise for the least
distances, n D^1.5 up to 1.4."""

TAIL, FAR_TAIL, SMALLEST = math.sqrt(2.2), 8.0, 370.0
SURE = 0.2
"""Below this distance times the root of the rows the p-value is 1 − 1e-12 or more, and SciPy takes a second for it."""


def ks(reference: Floats | Sample, current: Floats | Sample, reference_rows: int | None = None) -> Score:
    """Largest distance D between the distribution functions of shapes (n,) and (m,), and its p-value.

    With y the sorted current values, R = #{reference ≤ y} and L = #{reference < y},
    D = max(max j/m − R_j/n, max L_j/n − (j − 1)/m): exact from the current points alone.
    P-values: `scipy.stats.ks_2samp` (Hodges 1958; Simard and L'Ecuyer 2011). `reference_rows` is how many rows the
    reference's values stand for, where they are not all of them.

    >>> ks(np.arange(100.0), np.arange(100.0) + 50).statistic
    0.5
    """
    left, right = sample(reference), sample(current)
    if not len(left) or not len(right):
        return nothing("empty")
    rows = reference_rows or len(left)
    if max(rows, len(right)) <= EXACT_ROWS:
        return _exact(left, right)
    distance = ks_distance(left, right)
    return Score(distance, ks_p_value(distance, rows, len(right)))


def ks_p_value(distance: float, n: int, m: int) -> float:
    """Smirnov's asymptotic p-value of a distance between n and m values.

    >>> round(ks_p_value(0.01, 100_000, 100_000), 6)
    9e-05
    """
    rows = float(np.round(n * m / (n + m)))
    t = distance * math.sqrt(rows)
    if rows > EXACT_ROWS and t < SURE:
        return 1.0
    if rows > MANY_ROWS and t > TAIL and t**2 < SMALLEST:
        return _upper_tail(distance, rows)
    if rows > FEW_ROWS and SURE <= t < TAIL and (rows > DURBIN_ROWS or rows * distance**1.5 > DURBIN):
        return min(max(1 - _pelz_good(t, rows), 0.0), 1.0)
    if rows > FEW_ROWS and t > TAIL:
        return 0.0 if t**2 >= SMALLEST else float(np.clip(2 * special.smirnov(int(rows), distance), 0, 1))
    return float(np.clip(scipy.stats.kstwo.sf(distance, rows), 0, 1))


def _pelz_good(t: float, n: float) -> float:
    """The distribution function at t/√n to terms of n^-3/2 (Pelz and Good 1976), where SciPy uses it too.

    Each term is a theta function: a polynomial of t and of the odd numbers k, or all numbers, times a power of
    exp(−π²/8t²) that makes the sum converge within eight of them for t up to 1.5."""
    t2, t4, t6, square = t**2, t**4, t**6, math.pi**2
    odd, every = _numbers()
    s0, s1, s2, s3 = (odd @ np.exp(odd[1] * (-square / 8 / t2))).tolist()
    _, e1, e2, _ = (every @ np.exp(every[1] * (-square / 2 / t2))).tolist()
    first = s0 / t
    second = (square / 4 * s1 - t2 * s0) / (6 * t4)
    third = (6 * t6 + 2 * t4) * s0 + (2 * t4 - 5 * t2) * square / 4 * s1 + square**2 * (1 - 2 * t2) / 16 * s2
    fourth = (-30 * t6 - 90 * t4**2) * s0 + square * (135 * t4 - 96 * t6) / 4 * s1
    fourth += square**2 * (212 * t4 - 60 * t2) / 16 * s2 + square**3 * (5 - 30 * t2) / 64 * s3
    third = third / (72 * t6 * t) - square * e1 / (36 * t2 * t)
    fourth = fourth / (6480 * t6 * t4) + square * (3 * t2 * e1 - square * e2) / (216 * t6)
    root = math.sqrt(n)
    return float(math.sqrt(2 * math.pi) * (first + (second + (third + fourth / root) / root) / root))


@cache
def _numbers() -> tuple[Floats, Floats]:
    """Powers 0, 2, 4 and 6 of the first eight odd numbers, and of the first eight, shape (4, 8) each."""
    powers = np.arange(0, 8, 2.0)[:, None]
    return (2 * np.arange(8.0) + 1) ** powers, (np.arange(8.0) + 1) ** powers


def _upper_tail(distance: float, n: float) -> float:
    """Twice Smirnov's one-sided tail, to terms of n^-2 (Smirnov 1944; Lauwerier 1963): SciPy adds up n terms for it.
    The same to 1e-11 for the n that it is used for; from 370 for n D² on SciPy says 0."""
    t2, root = n * distance**2, np.sqrt(n)
    t = np.sqrt(t2)
    if t > FAR_TAIL:  # below 1e-55: the rate of large deviations, within a few per cent
        return float(2 * np.exp(-2 * t2 * (1 + 2 / 9 * distance**2 + 16 / 135 * distance**4)) * (1 - 2 * distance / 3))
    first = -2 * t / 3
    second = 2 * t2 / 3 * (1 - 2 * t2 / 3)
    third = 4 * t / 9 * (1 / 5 - 19 * t2 / 15 + 2 * t2**2 / 3)
    fourth = t2 * (-4 / 27 + t2 * (2 / 3 + t2 * (-8 / 15 + t2 * 8 / 81)))
    series = 1 + (first + (second + (third + fourth / root) / root) / root) / root
    return float(2 * np.exp(-2 * t2) * series)


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
    n, m = len(reference), len(current)
    if min(n, m) <= MOST_ROWS:
        common = n // math.gcd(n, m) * m
        distance = round(ks_distance(reference, current) * common) / common
        return Score(distance, exact_p_value(distance, n, m))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where the count overflows it takes the asymptotic one
        result = scipy.stats.ks_2samp(reference.values, current.values, method="auto")
    return Score(float(result.statistic), float(result.pvalue))


def _of_pair(pair: Pair) -> Score:
    if pair.samples is not None:
        score = ks(*pair.samples, pair.rows[0])
    else:
        score = Score(pair.distance, ks_p_value(pair.distance, *pair.rows))
    return replace(score, extras={"error": pair.distance_error}) if pair.distance_error else score


def _scipy(reference: Floats, current: Floats) -> tuple[float, float | None]:
    """Where SciPy's exact p-value rounds to more than 1 it warns and takes the asymptotic one, which is another."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        distance, p_value = of_scipy(scipy.stats.ks_2samp(reference, current))
    return distance, None if any("unsuccessful" in str(one.message) for one in told) else p_value


STATISTIC = OfNumbers(
    name="ks",
    title="KS",
    what="largest distance between the distribution functions, and its p-value: exact, both as in"
    " `scipy.stats.ks_2samp` (a p-value of more than 20,000 effective rows by Smirnov's series, the same to 1e-11)",
    source="Smirnov 1939; Hodges 1958; Simard and L'Ecuyer 2011; Lauwerier 1963",
    is_test=True,
    bounds=(0, 1),
    function=ks,
    of_pair=_of_pair,
    oracle=_scipy,
)
