"""Two rows of counts by category as a table, and its rare categories pooled."""

from collections.abc import Callable

import numpy as np

from drift.statistics.scores import Counts, Floats, Score, nothing

MIN_EXPECTED = 5.0
"""Below this expected count the chi-squared approximation is poor (Cochran 1954)."""


def contingency(reference: Counts, current: Counts) -> Counts | Score:
    """The counts of shape (k,) each without the categories that nobody has, shape (2, ≤ k); where that leaves nothing
    to test, the score that says so.

    >>> contingency(np.array([5, 0, 2]), np.array([1, 0, 0]))
    array([[5, 2],
           [1, 0]])
    """
    if not reference.sum() or not current.sum():
        return nothing("empty")
    table = np.stack([reference, current])
    table = table[:, table.sum(axis=0) > 0]
    return table if table.shape[1] > 1 else nothing("constant: one category on both sides")


def homogeneity(reference: Counts, current: Counts, test: Callable[[Counts], tuple[float, float]]) -> Score:
    """Statistic and p-value of a `test` of the table, its rare categories pooled."""
    table = contingency(reference, current)
    if isinstance(table, Score):
        return table
    dense = pooled(table)
    extras = {"dof": dense.shape[1] - 1, "pooled": table.shape[1] - dense.shape[1]}
    return Score(*test(dense), extras=extras)


def expected_counts(table: Counts) -> Floats:
    """What the margins alone say, shape (2, k)."""
    rows, columns = table.sum(axis=1, keepdims=True), table.sum(axis=0, keepdims=True)
    return np.asarray(rows * (columns / table.sum()), dtype=np.float64)


def pooled(table: Counts) -> Counts:
    """Sum the columns expected less than 5 times, and further ones, rarest first, until the sum is not rare; two
    columns remain. That uses only the margins, so a test of the result stays valid."""
    expected = expected_counts(table).min(axis=0)
    order = np.argsort(expected, kind="stable")
    rare = int(np.sum(expected < MIN_EXPECTED))
    if rare == 0:
        return table
    while rare < table.shape[1] - 1 and float(np.sum(expected[order[:rare]])) < MIN_EXPECTED:
        rare += 1
    rare = min(rare, table.shape[1] - 1)
    summed = table[:, order[:rare]].sum(axis=1, keepdims=True)
    return np.concatenate([summed, table[:, np.sort(order[rare:])]], axis=1)
