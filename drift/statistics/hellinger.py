"""The Hellinger distance."""

import numpy as np

from drift.statistics.scores import Counts, Score, nothing
from drift.statistics.statistic import OfCounts


def hellinger(reference: Counts, current: Counts) -> Score:
    """√(½ Σ(√p − √q)²) of the shares p and q; counts of shape (k,) each, result in [0, 1] (Hellinger 1909).

    >>> hellinger(np.array([1, 0]), np.array([0, 1])).statistic
    1.0
    """
    if not reference.sum() or not current.sum():
        return nothing("empty", is_test=False)
    p, q = reference / reference.sum(), current / current.sum()
    squared = float(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2)) / 2
    return Score(float(np.sqrt(np.clip(squared, 0.0, 1.0))), is_test=False)


STATISTIC = OfCounts(
    name="hellinger",
    title="Hellinger",
    kinds=("categorical",),
    with_exact=True,
    what="√(½ Σ(√p − √q)²) of the shares",
    source="Hellinger 1909",
    bounds=(0, 1),
    function=hellinger,
)
