"""The G-test of homogeneity: the likelihood-ratio twin of the chi-squared test."""

import numpy as np
import scipy
from scipy import special

from drift.statistics.contingency import MIN_EXPECTED, expected_counts, homogeneity
from drift.statistics.fisher import fisher_p_value
from drift.statistics.scores import Counts, Score
from drift.statistics.statistic import OfCounts


def g_test(reference: Counts, current: Counts) -> Score:
    """G = 2 Σ observed ln(observed/expected) over two rows of counts, shape (k,) each (Wilks 1938; Woolf 1957).

    Equal to `scipy.stats.chi2_contingency(lambda_="log-likelihood")`, two categories with Yates's correction.
    Rare categories are pooled as in `chi_squared`; two rare ones get Fisher's exact p-value.

    >>> g_test(np.array([50, 50]), np.array([50, 50])).p_value
    1.0
    """
    return homogeneity(reference, current, _test)


def _test(table: Counts) -> tuple[float, float]:
    """Statistic and p-value of a table without empty columns."""
    expected = expected_counts(table)
    observed = table.astype(np.float64)
    if table.shape[1] == 2:
        observed += np.clip(expected - observed, -0.5, 0.5)
    statistic = max(2 * float(np.sum(special.xlogy(observed, observed / expected))), 0.0)
    if table.shape[1] == 2 and expected.min() < MIN_EXPECTED:
        return statistic, fisher_p_value(table)
    return statistic, float(special.chdtrc(table.shape[1] - 1, statistic))


STATISTIC = OfCounts(
    name="g_test",
    title="G-test",
    kinds=("categorical",),
    with_exact=True,
    what="the likelihood-ratio test of what chi-squared tests, pooled as there",
    source="Wilks 1938; Woolf 1957",
    is_test=True,
    function=g_test,
    oracle=lambda reference, current: scipy.stats.chi2_contingency([reference, current], lambda_="log-likelihood")[:2],
)
