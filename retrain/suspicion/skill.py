"""How well scores order labels, in one number between −1 and 1 that neither shares of classes nor units change."""

import numpy as np
from scipy.stats import rankdata

from retrain.records.predictions import Floats


def skill(y: Floats, scores: Floats, classes: int) -> float:
    """Somers' D (2 · AUC − 1) of each class against the rest, weighted by their shares; rank correlation of numbers.
    y (n,) codes or numbers, scores (n, classes) or (n, 1).

    >>> skill(np.array([0.0, 1.0]), np.array([[0.9, 0.1], [0.2, 0.8]]), 2)
    1.0
    """
    if not classes:
        return float(abs(correlations(y, scores)[0]))
    parts = [(np.mean(y == code), somers(y == code, scores[:, [code]])[0]) for code in range(classes)]
    weights = np.array([share * (1 - share) for share, _ in parts])
    return float(weights @ np.array([value for _, value in parts]) / weights.sum()) if weights.sum() else 0.0


def skill_error(y: Floats, value: float, classes: int) -> float:
    """The standard error of `skill`, roughly."""
    if not classes:
        return float((1 - value**2) / np.sqrt(max(len(y), 2)))
    shares = np.array([np.mean(y == code) for code in range(classes)])
    pairs = len(y) * np.max(shares * (1 - shares), initial=0.0)
    return float(np.sqrt((1 - value**2) / (3 * pairs))) if pairs else 1.0


def somers(positive: Floats, X: Floats) -> Floats:
    """2 · AUC − 1 of each column of X (n, d) for telling `positive` (n,); 0 where there is only one side."""
    above = np.asarray(positive, dtype=bool)
    ones, zeros = int(above.sum()), int((~above).sum())
    if not ones or not zeros:
        return np.zeros(X.shape[1])
    sums = rankdata(X, axis=0)[above].sum(axis=0)
    return np.asarray(2 * (sums - ones * (ones + 1) / 2) / (ones * zeros) - 1)


def correlations(y: Floats, X: Floats) -> Floats:
    """Spearman's rank correlation of y (n,) with each column of X (n, d)."""
    ranks, own = rankdata(X, axis=0), rankdata(y)
    ranks, own = ranks - ranks.mean(axis=0), own - own.mean()
    size = np.sqrt((ranks**2).sum(axis=0) * (own**2).sum())
    return np.asarray(np.divide(own @ ranks, size, out=np.zeros(X.shape[1]), where=size > 0))
