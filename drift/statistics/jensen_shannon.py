"""The Jensen–Shannon distance."""

import numpy as np
from scipy import special

from drift.statistics.scores import Counts, Score, nothing


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
