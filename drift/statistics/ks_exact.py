"""The exact p-value of the two-sample Kolmogorov–Smirnov distance, of few rows.

The same as SciPy's, whose package of statistics takes longer to import than a whole comparison of small files: so it
does this only where it takes less time, of many rows."""

import math

import numpy as np

MOST_ROWS = 2_000
"""Of the smaller side. Beyond it the steps here take longer than the import."""
BOTH_REACH = 500.0
"""Beyond so much (the width of the band in steps of the smaller side) a path that leaves it on both sides is rarer by
a factor of 1e-16 than one that leaves it on one."""
LARGE, SHRINK = 1e200, 1e-200


def exact_p_value(distance: float, n: int, m: int) -> float:
    """P(D ≥ distance) of n and m rows of one continuous distribution, n and m at least 1.

    All orders of the rows are equally likely: paths through a lattice of n × m steps. Of equal sizes those that reach
    a distance are counted by reflection, else step by step (Hodges 1958).

    >>> round(exact_p_value(0.5, 10, 10), 6), round(exact_p_value(0.5, 10, 12), 6)
    (0.167821, 0.092703)
    """
    common = math.gcd(n, m)
    reach = round(distance * (n // common * m))
    if reach == 0:
        return 1.0
    if n == m:
        return _reflected(n, reach)
    n, m = max(n, m), min(n, m)
    if 2 * distance * m < BOTH_REACH:
        return min(_share_of_paths(n, m, reach, both=True), 1.0)
    return min(2 * _share_of_paths(n, m, reach, both=False), 1.0)


def _reflected(n: int, reach: int) -> float:
    """2 Σ (−1)^(k+1) C(2n, n − k reach)/C(2n, n), k = 1, 2, …, as 2 r₁ (1 − r₂ (1 − …)) with the ratio r of each term
    to the one before."""
    ratios = []
    share, k = 1.0, 0
    while (k + 1) * reach <= n and share > 1e-20:
        steps = np.arange(k * reach, (k + 1) * reach)
        ratios.append(float(np.prod((n - steps) / (n + 1 + steps))))
        share *= ratios[-1]
        k += 1
    total = 0.0
    for ratio in reversed(ratios):
        total = ratio * (1 - total)
    return float(np.clip(2 * total, 0.0, 1.0))


def _share_of_paths(n: int, m: int, reach: int, both: bool) -> float:
    """The share of paths from (0, 0) to (m, n) that touch |i n − j m| ≥ reach gcd(n, m); without `both` of those that
    touch it above and never below.

    `touched[j]` counts those to (i, j) of row i, which come from the row before or from the left: running sums of
    positive numbers. Above the band all paths count, `above` of them at its upper edge, and below it `below`. All are
    scaled down together when they become large."""
    common = math.gcd(n, m)
    long, short = n // common, m // common
    touched = np.zeros(n + 1)
    low, high, above, below, scale = 0, min(-(-reach // short) - 1, n), 1.0, 1.0, 1.0
    touched[high + 1 :] = 1.0
    for i in range(1, m + 1):
        top = min(-(-(i * long + reach) // short) - 1, n)
        for j in range(high + 1, top + 1):
            above *= (i - 1 + j) / j
            touched[j] = above
        high = top
        above *= (i + high) / i
        start = max((i * long - reach) // short + 1, 0)
        if start > high:
            return 1.0
        if both and start:
            below = below * (i + low - 1) / i if low else scale
            for j in range(max(low, 1), start):
                below *= (i + j) / j
            touched[start] += below
        low = start
        row = touched[low : high + 1]
        np.add.accumulate(row, out=row)
        if above > LARGE:
            row *= SHRINK
            above, below, scale = above * SHRINK, below * SHRINK, scale * SHRINK
    return float(touched[n] / above)
