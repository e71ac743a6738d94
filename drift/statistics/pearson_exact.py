"""The exact tail of Pearson's statistic for a small table."""

import numpy as np

from drift.statistics.lattice import binomial_at
from drift.statistics.scores import Counts

BINS = 512
MAX_WORK = 30_000_000
"""Additions, about 30 ms; a table that needs more has so many cells that its moments tell the tail well."""
NEGLIGIBLE = 1e-16


def pearson_exact(statistic: float, totals: Counts, rows: int) -> float | None:
    """The chance of a Pearson statistic this large, over all ways to deal the rows out with column sums `totals`, shape
    (k,), `rows` of them in one row; None where that is too much to add up.

    Given the margins the counts of one row are independent binomials known to sum to `rows`, so the statistic's
    distribution is built up a category at a time, over the rows dealt and the statistic so far (Mehta and Patel 1983).
    The statistic is rounded to 1/512 of its value, and one such step is added to the tail.

    >>> round(pearson_exact(18.0, np.array([300, 100, 60, 55]), 50), 5)
    0.00073
    """
    total = int(totals.sum())
    fewer = min(rows, total - rows)
    if len(totals) * (fewer + 1) * BINS > MAX_WORK:
        return None
    share, scale = fewer / total, total**2 / (fewer * (total - fewer)) * BINS / statistic
    terms = []
    for size in np.sort(totals).tolist():
        counts = np.arange(min(size, fewer) + 1)
        chances = binomial_at(counts, size, share)
        steps = np.rint((counts - size * share) ** 2 / size * scale).astype(int)
        used = (steps < BINS) & (chances > NEGLIGIBLE)
        terms.append((counts[used].tolist(), chances[used].tolist(), steps[used].tolist()))
    if sum(len(counts) for counts, _, _ in terms) * (fewer + 1) * BINS > MAX_WORK:
        return None
    table = np.zeros((fewer + 1, BINS))
    table[0, 0] = 1.0
    for counts, chances, steps in terms:
        grown = np.zeros_like(table)
        for count, chance, step in zip(counts, chances, steps, strict=True):
            grown[count:, step:] += chance * table[: fewer + 1 - count, : BINS - step]
        table = grown
    below = float(table[fewer, : BINS - 1].sum()) / float(binomial_at(np.array([fewer]), total, share)[0])
    return float(np.clip(1 - below, 0.0, 1.0))
