"""The Kullback–Leibler divergence."""

import numpy as np
import scipy

from drift.statistics.bins import SHARE_FLOOR
from drift.statistics.scores import Counts, Floats, Score, nothing
from drift.statistics.statistic import OfCounts


def kullback_leibler(reference: Counts, current: Counts) -> Score:
    """KL(current‖reference) = Σ q ln(q/p) in nats; counts of shape (k,) each (Kullback and Leibler 1951).

    p and q are the shares of the reference and of the current rows, floored at 1e-4 as in PSI and then scaled to
    the sum 1 again, so that the divergence is never negative.

    >>> round(kullback_leibler(np.array([50, 50]), np.array([60, 40])).statistic, 4)
    0.0201
    """
    if not reference.sum() or not current.sum():
        return nothing("empty", is_test=False)
    p, q = _shares(reference), _shares(current)
    return Score(max(float(np.sum(q * np.log(q / p))), 0.0), is_test=False)


def _shares(counts: Counts) -> Floats:
    floored = np.maximum(counts / counts.sum(), SHARE_FLOOR)
    return np.asarray(floored / floored.sum(), dtype=np.float64)


STATISTIC = OfCounts(
    name="kullback_leibler",
    title="Kullback–Leibler",
    kinds=("categorical",),
    with_exact=True,
    what="Σ q ln(q/p), current shares q against the reference's p, floored as in PSI",
    source="Kullback and Leibler 1951",
    symmetric=False,
    function=kullback_leibler,
    oracle=lambda reference, current: (scipy.stats.entropy(_shares(current), _shares(reference)), None),
)
