"""The tail of Pearson's statistic where counts are small, beyond what chi-squared says."""

from fractions import Fraction

import numpy as np
from scipy import special

from drift.statistics.scores import Counts

Poly = list[Fraction]


def pearson_tail(statistic: float, totals: Counts, rows: int) -> float:
    """The chance of a Pearson statistic this large, two rows of counts with column sums `totals`, shape (k,), all
    above 0, `rows` of them in one row: a gamma distribution (Pearson type III) with the first three moments of the
    statistic over all ways to deal the rows out.

    The moments are exact, so the margins alone decide, not how many rows a category needs; far out, chi-squared is too
    light by half where few are expected and one row is ten times the other (Haldane 1940; Mielke and Berry 1985).

    >>> round(pearson_tail(18.0, np.array([300, 100, 60, 55]), 50), 6)
    0.000528
    """
    mean, variance, third = pearson_moments(totals, rows)
    if variance <= 0:
        return 1.0
    skewness = third / variance**1.5
    if skewness <= 0:
        return float(special.ndtr((mean - statistic) / np.sqrt(variance)))
    shape, scale = 4 / skewness**2, np.sqrt(variance) * skewness / 2
    return float(special.gammaincc(shape, max(shape + (statistic - mean) / scale, 0.0)))


def pearson_moments(totals: Counts, rows: int) -> tuple[float, float, float]:
    """Mean, variance and third central moment of Pearson's statistic where nothing changed, given the margins.

    With c the column sums and a the counts of one row, X² = s (Σ a²/c − rows²/N), s = N²/(rows (N − rows)). The counts
    are hypergeometric: falling powers have E Π (a_j)_r = Π (c_j)_r u_R, u_R = (rows)_R/(N)_R, R = Σ r. So a sum over
    columns of independent terms with polynomials in t has its moments when t^R is read as u_R. These depend on k, N,
    Σ 1/c and Σ 1/c² only, and are taken in fractions: in floats they would cancel.

    >>> [round(x, 9) for x in pearson_moments(np.array([1, 1]), 1)]
    [2.0, 0.0, 0.0]
    """
    total, k, rows = int(totals.sum()), len(totals), int(rows)
    one, two = (Fraction(float(np.sum(1.0 / totals.astype(np.float64) ** power))) for power in (1, 2))
    falling = [Fraction(1)]
    for r in range(6):
        falling.append(falling[-1] * Fraction(max(rows - r, 0), max(total - r, 1)))
    scale = Fraction(total**2, rows * (total - rows))
    first: Poly = [-Fraction(rows**2, total), Fraction(k), Fraction(total - k)]
    second = [Fraction(0), one, 6 * k - 7 * one, 4 * total - 16 * k + 12 * one, -4 * total + 10 * k - 6 * one]
    third = [
        Fraction(0),
        two,
        28 * one - 31 * two,
        68 * k - 246 * one + 180 * two,
        32 * total - 300 * k + 658 * one - 390 * two,
        -72 * total + 408 * k - 696 * one + 360 * two,
        40 * total - 176 * k + 256 * one - 120 * two,
    ]
    square = _times(first, first)
    m1 = _read(first, falling)
    m2 = _read(square, falling) + _read(second, falling)
    m3 = _read(_times(square, first), falling) + 3 * _read(_times(first, second), falling) + _read(third, falling)
    return (
        float(scale * m1),
        float(scale**2 * (m2 - m1**2)),
        float(scale**3 * (m3 - 3 * m1 * m2 + 2 * m1**3)),
    )


def _times(a: Poly, b: Poly) -> Poly:
    product = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return product


def _read(polynomial: Poly, falling: list[Fraction]) -> Fraction:
    return sum((x * u for x, u in zip(polynomial, falling, strict=False)), Fraction(0))
