"""How good lists of recommendations are: NDCG on full rankings, coverage, exposure, differences clustered by user."""

import math

import numpy as np
from numpy.typing import NDArray

from retrain.records.predictions import Floats

DEPTH = 10
"""Places of a list that count."""


def ndcg(rank: NDArray[np.int64], event: NDArray[np.int64], wanted: NDArray[np.int64], depth: int = DEPTH) -> Floats:
    """Normalised discounted cumulative gain (events,) of full rankings (Järvelin and Kekäläinen 2002).

    `rank` (n,) counts from 0 and is that of one wanted item of the event `event` (n,), below 0 where the item is not
    ranked at all; `wanted` (events,) is how many items each event wanted, ranked or not.

    >>> ndcg(np.array([0, 1, 10]), np.array([0, 1, 2]), np.array([1, 1, 1])).round(3).tolist()
    [1.0, 0.631, 0.0]
    """
    found = (rank >= 0) & (rank < depth)
    gain = np.bincount(event[found], 1 / np.log2(rank[found] + 2), len(wanted))
    most = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(depth) + 2))])
    ideal = most[np.minimum(wanted, depth)]
    return np.asarray(np.divide(gain, ideal, out=np.zeros(len(wanted)), where=ideal > 0))


def coverage(shown: NDArray[np.int64], items: int) -> float:
    """The share of `items` that is in any list; `shown` has the items of all lists.

    >>> coverage(np.array([1, 1, 2]), 4)
    0.5
    """
    return len(np.unique(shown)) / items if items else 0.0


def gini(shown: NDArray[np.int64], items: int) -> float:
    """How unevenly `items` are shown: 0 all alike, towards 1 a few only (Gini 1912).

    >>> gini(np.array([0, 1, 2, 3]), 4), gini(np.array([0, 0, 0, 0]), 4)
    (0.0, 0.75)
    """
    often = np.sort(np.bincount(shown, minlength=items)).astype(np.float64)
    if not often.sum():
        return 0.0
    return float(2 * np.arange(1, items + 1) @ often / (items * often.sum()) - (items + 1) / items)


def clustered_error(values: Floats, cluster: NDArray[np.int64]) -> float | None:
    """Standard error of the mean of values (n,) that resemble each other within a cluster (n,), such as a user: of the
    clusters' sums of deviations (Liang and Zeger 1986); None for fewer than two clusters.

    >>> round(clustered_error(np.array([1., 1., 0., 0.]), np.array([0, 0, 1, 1])), 3)
    0.5
    """
    distinct, place = np.unique(cluster, return_inverse=True)
    if len(distinct) < 2:
        return None
    sums = np.bincount(place, values - values.mean())
    return math.sqrt(float(sums @ sums) * len(distinct) / (len(distinct) - 1)) / len(values)
