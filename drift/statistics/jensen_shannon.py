"""The Jensen–Shannon distance."""

import numpy as np
import scipy
from scipy import special

from drift.statistics.scores import Counts, Score, nothing
from drift.statistics.statistic import OfCounts


def jensen_shannon(reference: Counts, current: Counts) -> Score:
    """√((KL(p‖m) + KL(q‖m))/2) with base 2 and m = (p + q)/2; counts of shape (k,) each, result in [0, 1].

    Equal to `scipy.spatial.distance.jensenshannon(p, q, base=2)` (Lin 1991; Endres and Schindelin 2003).

    >>> jensen_shannon(np.array([1, 0]), np.array([0, 1])).statistic
    1.0
    """
    if not reference.sum() or not current.sum():
        return nothing("empty", is_test=False)
    p, q = reference / reference.sum(), current / current.sum()
    middle = (p + q) / 2
    divergence = float(np.sum(special.rel_entr(p, middle) + special.rel_entr(q, middle))) / (2 * np.log(2))
    return Score(float(np.sqrt(np.clip(divergence, 0.0, 1.0))), is_test=False)


STATISTIC = OfCounts(
    name="jensen_shannon",
    title="Jensen–Shannon",
    kinds=("numeric", "categorical"),
    what="the distance, base 2, over the same bins or categories as PSI",
    source="Lin 1991; Endres and Schindelin 2003",
    bounds=(0, 1),
    function=jensen_shannon,
    oracle=lambda reference, current: (scipy.spatial.distance.jensenshannon(reference, current, base=2), None),
)
