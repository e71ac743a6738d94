"""The population stability index."""

import numpy as np

from drift.statistics.bins import SHARE_FLOOR
from drift.statistics.scores import Counts, Score, nothing


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
