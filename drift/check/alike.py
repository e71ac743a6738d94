"""Which columns vary alike: only such say anything of each other.

How much files or parts differ beyond chance is estimated of all columns together, since one column alone tells little.
A column that varies far more than most, as one by which the rows are sorted, would decide that for all others."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from drift.statistics.scores import Floats

LEVEL = 1e-4
"""How seldom a column that varies as most do is taken for one that does not."""


def alike(factors: Floats, df: Floats) -> NDArray[np.bool_]:
    """Of ratios of variances, shape (k,), on so many degrees of freedom each: which are not beyond what chance makes of
    the median one (of two the smaller, and not less than 1). At least half of them are.

    >>> alike(np.array([1.1, 0.9, 1.0, 9.0]), np.full(4, 10.0))
    array([ True,  True,  True, False])
    """
    usual = max(float(np.quantile(factors, 0.5, method="lower")), 1.0)
    return np.asarray(special.chdtrc(df, df * factors / usual) >= LEVEL)
