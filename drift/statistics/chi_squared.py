"""The chi-squared test of homogeneity: do two samples of categories come from one distribution?"""

import numpy as np
from scipy import special, stats

from drift.statistics.pearson_exact import pearson_exact
from drift.statistics.pearson_tail import pearson_tail
from drift.statistics.scores import Counts, Floats, Score, nothing

MIN_EXPECTED = 5.0
"""Below this expected count the chi-squared approximation is poor (Cochran 1954)."""
DENSE, REACH, CERTAIN = 25.0, 0.02, 1e-9
"""Below this expected count it is poor far out, where a check of many columns decides: p-values below `REACH` are exact
instead, or by the exact moments of the statistic where there is too much to add up or no doubt."""


def chi_squared(reference: Counts, current: Counts) -> Score:
    """Homogeneity of two rows of counts, shape (k,) each, aligned by category; neither is taken as the truth.

    Categories expected less than 5 times on either side are pooled into one first (`pooled` tells how many
    fewer remain); that uses only the margins, so the test stays valid. Two categories get Yates's correction,
    as in `scipy.stats.chi2_contingency`, or Fisher's exact p-value where 5 are not reached. Where 25 are not reached a
    p-value below 0.02 is Fisher's, or of `pearson_exact` or `pearson_tail`.

    >>> chi_squared(np.array([50, 50]), np.array([50, 50])).p_value
    1.0
    """
    if not reference.sum() or not current.sum():
        return nothing("empty")
    table = np.stack([reference, current])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return nothing("constant: one category on both sides")
    dense = _pool(table)
    extras = {"dof": dense.shape[1] - 1, "pooled": table.shape[1] - dense.shape[1]}
    return Score(*_test(dense), extras=extras)


def _pool(table: Counts) -> Counts:
    """Sum the rare columns, and further ones, rarest first, until the sum is not rare; two columns remain."""
    expected = _expected(table).min(axis=0)
    order = np.argsort(expected, kind="stable")
    rare = int(np.sum(expected < MIN_EXPECTED))
    if rare == 0:
        return table
    while rare < table.shape[1] - 1 and float(np.sum(expected[order[:rare]])) < MIN_EXPECTED:
        rare += 1
    rare = min(rare, table.shape[1] - 1)
    pooled = table[:, order[:rare]].sum(axis=1, keepdims=True)
    return np.concatenate([pooled, table[:, np.sort(order[rare:])]], axis=1)


def _expected(table: Counts) -> Floats:
    rows, columns = table.sum(axis=1, keepdims=True), table.sum(axis=0, keepdims=True)
    return np.asarray(rows * (columns / table.sum()), dtype=np.float64)


def _test(table: Counts) -> tuple[float, float]:
    """Statistic and p-value of a table without empty columns."""
    expected = _expected(table)
    off = np.abs(table - expected)
    if table.shape[1] == 2:
        off -= np.minimum(0.5, off)
    statistic = float(np.sum(off**2 / expected))
    p_value = float(special.chdtrc(table.shape[1] - 1, statistic))
    fewest = float(expected.min())
    near = fewest < DENSE and p_value < REACH
    if table.shape[1] == 2 and (near or fewest < MIN_EXPECTED):
        return statistic, float(np.clip(stats.fisher_exact(table)[1], 0.0, 1.0))
    return statistic, _sparse(statistic, table) if near else p_value


def _sparse(statistic: float, table: Counts) -> float:
    totals, rows = table.sum(axis=0), int(table[0].sum())
    p_value = pearson_tail(statistic, totals, rows)
    exact = pearson_exact(statistic, totals, rows) if p_value > CERTAIN else None
    return p_value if exact is None else exact
