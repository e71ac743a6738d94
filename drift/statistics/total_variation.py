"""The total variation distance between categories."""

import numpy as np
import scipy

from drift.statistics.scores import Counts, Score, nothing
from drift.statistics.statistic import OfCounts


def total_variation(reference: Counts, current: Counts) -> Score:
    """½ Σ|p − q|, the largest difference in the share of any set of categories; counts of shape (k,) each.

    >>> total_variation(np.array([50, 50, 0]), np.array([40, 40, 20])).statistic
    0.2
    """
    if not reference.sum() or not current.sum():
        return nothing("empty", is_test=False)
    p, q = reference / reference.sum(), current / current.sum()
    return Score(round(float(np.sum(np.abs(p - q))) / 2, 15), is_test=False)


STATISTIC = OfCounts(
    name="total_variation",
    title="total variation",
    kinds=("categorical",),
    what="half the sum of absolute differences of the shares",
    bounds=(0, 1),
    function=total_variation,
    oracle=lambda reference, current: (
        scipy.spatial.distance.cityblock(reference / reference.sum(), current / current.sum()) / 2,
        None,
    ),
)
