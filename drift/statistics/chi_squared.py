"""The chi-squared test of homogeneity: do two samples of categories come from one distribution?"""

import numpy as np
import scipy
from scipy import special

from drift.statistics.contingency import MIN_EXPECTED, expected_counts, homogeneity
from drift.statistics.fisher import fisher_p_value
from drift.statistics.pearson_exact import pearson_exact
from drift.statistics.pearson_tail import pearson_tail
from drift.statistics.scores import Counts, Score
from drift.statistics.statistic import OfCounts

DENSE, REACH, CERTAIN = 25.0, 0.02, 1e-9
"""Below this expected count it is poor far out, where a check of many columns decides: p-values below `REACH` are exact
instead, or by the exact moments of the statistic where there is too much to add up or no doubt."""


def chi_squared(reference: Counts, current: Counts) -> Score:
    """Homogeneity of two rows of counts, shape (k,) each, aligned by category; neither is taken as the truth.

    Categories expected less than 5 times on either side are pooled into one first (`pooled` tells how many
    fewer remain). Two categories get Yates's correction,
    as in `scipy.stats.chi2_contingency`, or Fisher's exact p-value where 5 are not reached. Where 25 are not reached a
    p-value below 0.02 is Fisher's, or of `pearson_exact` or `pearson_tail`.

    >>> chi_squared(np.array([50, 50]), np.array([50, 50])).p_value
    1.0
    """
    return homogeneity(reference, current, _test)


def _test(table: Counts) -> tuple[float, float]:
    """Statistic and p-value of a table without empty columns."""
    expected = expected_counts(table)
    off = np.abs(table - expected)
    if table.shape[1] == 2:
        off -= np.minimum(0.5, off)
    statistic = float(np.sum(off**2 / expected))
    p_value = float(special.chdtrc(table.shape[1] - 1, statistic))
    fewest = float(expected.min())
    near = fewest < DENSE and p_value < REACH
    if table.shape[1] == 2 and (near or fewest < MIN_EXPECTED):
        return statistic, fisher_p_value(table)
    return statistic, _sparse(statistic, table) if near else p_value


def _sparse(statistic: float, table: Counts) -> float:
    totals, rows = table.sum(axis=0), int(table[0].sum())
    p_value = pearson_tail(statistic, totals, rows)
    exact = pearson_exact(statistic, totals, rows) if p_value > CERTAIN else None
    return p_value if exact is None else exact


STATISTIC = OfCounts(
    name="chi_squared",
    title="chi-squared",
    kinds=("categorical",),
    what="homogeneity of two rows of counts; categories expected less than 5 times are pooled; where less than 25 are"
    " expected, p-values below 0.02 are exact over all tables with these margins, or of a gamma distribution with the"
    " statistic's exact first three moments where that is too much to add up",
    source="Pearson 1900; Cochran 1954; Mehta and Patel 1983; Mielke and Berry 1985",
    is_test=True,
    function=chi_squared,
    oracle=lambda reference, current: scipy.stats.chi2_contingency([reference, current])[:2],
)
