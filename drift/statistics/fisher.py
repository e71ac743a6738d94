"""Fisher's exact test of two categories."""

import numpy as np
import scipy

from drift.statistics.contingency import contingency
from drift.statistics.lattice import hypergeometric
from drift.statistics.scores import Counts, Score, nothing
from drift.statistics.statistic import OfCounts, of_scipy

TIED = 1e-10
"""Chances that differ by less, relatively, are equal but for rounding."""


def fisher(reference: Counts, current: Counts) -> Score:
    """The odds ratio of a 2 × 2 table, counts of shape (2,) each, and its exact p-value (Fisher 1935).

    Equal to `scipy.stats.fisher_exact`, two-sided. Categories without a row on either side do not count; there
    must be two others. The odds ratio is infinite where only its divisor is 0.

    >>> round(fisher(np.array([8, 2]), np.array([1, 5])).p_value, 6)
    0.034965
    """
    table = contingency(reference, current)
    if isinstance(table, Score):
        return table
    if table.shape[1] > 2:
        return nothing(f"Fisher's exact test is of two categories; there are {table.shape[1]}")
    (a, b), (c, d) = table.tolist()
    odds = np.inf if not b * c else a * d / (b * c)
    return Score(float(odds), fisher_p_value(table))


def fisher_p_value(table: Counts) -> float:
    """The chance of a table of counts, shape (2, 2), as unlikely as this one or more so, given its margins.

    >>> round(fisher_p_value(np.array([[8, 2], [1, 5]])), 6)
    0.034965
    """
    total, row, column = int(table.sum()), int(table[0].sum()), int(table[:, 0].sum())
    first, chances = hypergeometric(total, row, column)
    as_unlikely = chances <= chances[int(table[0, 0]) - first] * (1 + TIED)
    return float(np.clip(chances[as_unlikely].sum(), 0.0, 1.0))


STATISTIC = OfCounts(
    name="fisher",
    title="Fisher",
    kinds=("categorical",),
    with_exact=True,
    what="odds ratio of two categories, and its exact p-value, as in `scipy.stats.fisher_exact`",
    source="Fisher 1935",
    is_test=True,
    at_equality=1.0,
    symmetric=False,
    function=fisher,
    oracle=lambda reference, current: of_scipy(scipy.stats.fisher_exact([reference, current])),
)
