"""Fisher's exact test of two categories."""

import numpy as np
from scipy import stats

from drift.statistics.scores import Counts, Score, nothing


def fisher(reference: Counts, current: Counts) -> Score:
    """The odds ratio of a 2 × 2 table, counts of shape (2,) each, and its exact p-value (Fisher 1935).

    Equal to `scipy.stats.fisher_exact`, two-sided. Categories without a row on either side do not count; there
    must be two others. The odds ratio is infinite where only its divisor is 0.

    >>> round(fisher(np.array([8, 2]), np.array([1, 5])).p_value, 6)
    0.034965
    """
    if not reference.sum() or not current.sum():
        return nothing("empty")
    table = np.stack([reference, current])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return nothing("constant: one category on both sides")
    if table.shape[1] > 2:
        return nothing(f"Fisher's exact test is of two categories; there are {table.shape[1]}")
    result = stats.fisher_exact(table)
    return Score(float(result.statistic), float(np.clip(result.pvalue, 0.0, 1.0)))
