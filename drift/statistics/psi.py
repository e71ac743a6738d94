"""The population stability index."""

import numpy as np

from drift.statistics.bins import SHARE_FLOOR
from drift.statistics.scores import Counts, Score, nothing
from drift.statistics.statistic import OfCounts


def psi(reference: Counts, current: Counts) -> Score:
    """Σ (q − p) ln(q/p) over shared bins or categories; counts of shape (k,) each.

    p and q are the shares of the reference and of the current rows, floored at 1e-4. Also known as the
    symmetric Kullback–Leibler divergence (Jeffreys 1946); the name is credit scoring's (Siddiqi 2006).

    >>> round(psi(np.array([50, 50]), np.array([60, 40])).statistic, 4)
    0.0405
    """
    if not reference.sum() or not current.sum():
        return nothing("empty", is_test=False)
    p = np.maximum(reference / reference.sum(), SHARE_FLOOR)
    q = np.maximum(current / current.sum(), SHARE_FLOOR)
    return Score(float(np.sum((q - p) * np.log(q / p))), is_test=False)


STATISTIC = OfCounts(
    name="psi",
    title="PSI",
    kinds=("numeric", "categorical"),
    what="population stability index: Σ (q − p) ln(q/p) over the reference's deciles or the categories, shares floored"
    " at 1e-4",
    source="Jeffreys 1946; Siddiqi 2006",
    function=psi,
)
