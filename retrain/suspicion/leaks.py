"""A feature that tells the target almost perfectly from one file to the next: the answer leaked into the question."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from retrain.records.predictions import Floats
from retrain.suspicion.rows import Columns, Doubt, Rows
from retrain.suspicion.skill import correlations, somers

LEAST, MOST_BEFORE = 0.9, 0.97
GAP_LEFT = 0.3
LEAST_ROWS = 50


def leaked_target(file: Rows, recent: Sequence[Rows], columns: Columns) -> Doubt | None:
    """One feature alone tells the target with an error that is a fraction of that of any feature in recent files."""
    usable = [one for one in recent if one.labelled.sum() >= LEAST_ROWS]
    if file.labelled.sum() < LEAST_ROWS or not usable:
        return None
    now = strengths(file, columns)
    position = int(now.argmax())
    before = np.max([strengths(one, columns) for one in usable], axis=0)
    best = float(before.max())
    if now[position] < LEAST or best > MOST_BEFORE or 1 - now[position] > GAP_LEFT * (1 - best):
        return None
    name = columns.names[position]
    numbers = {"column": name, "strength": float(now[position]), "usual": float(before[position]), "best": best}
    reason = (
        f"{name} tells {columns.target} almost perfectly ({now[position]:.2f} of 1); in recent files it reached "
        f"{before[position]:.2f} and no feature more than {best:.2f}"
    )
    return Doubt(reason, numbers)


def strengths(rows: Rows, columns: Columns) -> Floats:
    """How well each feature alone orders the target (d,), 0 to 1: |2 · AUC − 1| of its clearest class, or of numbers
    |rank correlation|."""
    known = rows.labelled
    X, y = rows.X[known].copy(), rows.y[known]
    if columns.classes == 0:
        _encode(X, y, columns)
        return np.abs(correlations(y, np.nan_to_num(X, nan=-np.inf)))
    present = np.unique(y)
    if len(present) == 2:
        _encode(X, (y == present[1]).astype(np.float64), columns)
        return np.abs(somers(y == present[1], np.nan_to_num(X, nan=-np.inf)))
    return _separations(np.nan_to_num(X, nan=-np.inf), y)


def _separations(X: Floats, y: Floats) -> Floats:
    """How far ranks of each column of X (n, d) set the classes of y (n,) apart: their variance between classes,
    of what it would be were each class a block of its own."""
    ranks = rankdata(X, axis=0) - (len(y) + 1) / 2
    present, position = np.unique(y, return_inverse=True)
    counts = np.bincount(position)
    most = np.zeros(X.shape[1])
    means = np.stack([ranks[position == k].mean(axis=0) for k in range(len(present))])
    between = (counts[:, None] * means**2).sum(axis=0)
    for column, order in enumerate(np.argsort(means, axis=0).T):
        ends = np.cumsum(counts[order])
        blocks = ends - counts[order] / 2 - len(y) / 2
        most[column] = (counts[order] * blocks**2).sum()
    return np.asarray(np.divide(between, most, out=np.zeros(X.shape[1]), where=most > 0))


def _encode(X: Floats, y: Floats, columns: Columns) -> None:
    """Categories become the mean target of the other half of the rows, in place."""
    half = np.arange(len(y)) % 2 == 0
    for position in np.flatnonzero(columns.categorical):
        codes = np.nan_to_num(X[:, position], nan=-1.0).astype(np.int64) + 1
        encoded = np.full(len(y), y.mean())
        for fold in (half, ~half):
            counts = np.bincount(codes[~fold], minlength=codes.max() + 1)
            sums = np.bincount(codes[~fold], y[~fold], minlength=codes.max() + 1)
            means = (sums + y.mean()) / (counts + 1)
            encoded[fold] = means[codes[fold]]
        X[:, position] = encoded
