"""Bins that PSI and Jensen–Shannon share: the deciles of the reference."""

import numpy as np

from drift.statistics.samples import Sample
from drift.statistics.scores import Counts, Floats

BINS = 10
SHARE_FLOOR = 1e-4
"""A bin's share is taken to be at least this in PSI, so that an empty bin does not make it infinite."""


def decile_edges(reference: Sample, bins: int = BINS) -> Floats:
    """Upper edges of all bins but the last, shape (≤ 2·bins,), ascending; a bin is (edge before, edge].

    The edges are the reference's order statistics at 1/bins, 2/bins, …, so the current data cannot move them.
    A value that is several of them at once (a column with few values) gets a bin of its own.

    >>> decile_edges(Sample(np.arange(1.0, 11.0)), bins=5)
    array([2., 4., 6., 8.])
    """
    return edges_of(reference.values[decile_ranks(len(reference), bins)])


def decile_ranks(rows: int, bins: int = BINS) -> Counts:
    """Positions of the deciles among so many sorted values, from 0 on.

    >>> decile_ranks(10, bins=5)
    array([1, 3, 5, 7])
    """
    return np.maximum(-(-np.arange(1, bins, dtype=np.int64) * rows // bins) - 1, 0)


def edges_of(deciles: Floats) -> Floats:
    """The edges that these ascending deciles give; a value that is several of them gets a bin of its own.

    >>> edges_of(np.array([1.0, 2.0, 2.0]))
    array([1., 2., 2.])
    """
    edges, repeats = np.unique(deciles, return_counts=True)
    apart = np.nextafter(edges[repeats > 1], -np.inf)
    return np.unique(np.concatenate([edges, apart[np.isfinite(apart)]]))


def bin_counts(values: Sample, edges: Floats) -> Counts:
    """How many values fall into each bin, shape (len(edges) + 1,).

    >>> bin_counts(Sample(np.array([1.0, 2.0, 3.0, 9.0])), np.array([2.0, 4.0]))
    array([2, 1, 1])
    """
    up_to = np.searchsorted(values.values, edges, side="right")
    return np.diff(np.concatenate([[0], up_to, [len(values)]])).astype(np.int64)
