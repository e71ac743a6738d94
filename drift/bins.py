"""Bins that PSI and Jensen–Shannon share: the deciles of the reference."""

import numpy as np

from drift.samples import Sample
from drift.scores import Counts, Floats

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
    ranks = -(-np.arange(1, bins) * len(reference) // bins) - 1
    deciles = reference.values[np.maximum(ranks, 0)]
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
