"""Reconstruction by principal components: do current rows still lie where those of the reference do?"""

import numpy as np

from drift.notation import counted
from drift.statistics.mann_whitney import mann_whitney
from drift.statistics.scores import Floats, Score, nothing

LARGEST = 1e100
"""Values are clipped to this, so that their squares can be added up."""


def pca_reconstruction(
    reference: Floats, current: Floats, *, seed: int, components: float = 0.9, holdout: float = 0.5
) -> Score:
    """How much worse current rows are reconstructed than reference rows, shapes (n, d) and (m, d), NaN missing.

    Principal components that explain the share `components` of the variance, but never all of them, are fitted
    to the standardized reference without a random share `holdout` of its rows. A row's error is the mean square
    of its values minus their projection onto them. The statistic is P(current error > held-out error), ½ where
    the errors are alike, and the p-value that of Mann and Whitney on both sides' errors, so the fit favours
    neither. It sees changed dependence between columns and takes rows to be independent of each other.

    >>> rng = np.random.default_rng(0)
    >>> known = rng.normal(size=(400, 1)) + 0.1 * rng.normal(size=(400, 3))
    >>> round(pca_reconstruction(known, rng.normal(size=(50, 3)), seed=1).statistic, 2)
    0.98
    """
    if reference.shape[1] != current.shape[1]:
        return nothing(f"{counted(reference.shape[1], 'column')} in the reference, {current.shape[1]} now")
    if reference.shape[1] < 2:
        return nothing("fewer than two columns")
    order = np.random.default_rng(seed).permutation(len(reference))
    held = round(len(reference) * holdout)
    if not held or len(reference) - held < 2 or not len(current):
        return nothing("too few rows")
    before, now = (np.clip(rows, -LARGEST, LARGEST) for rows in (reference[order], current))
    mean, sd = _moments(before[held:])
    before, now = (np.clip((rows - mean) / sd, -LARGEST, LARGEST) for rows in (before, now))
    axes = _axes(before[held:], components)
    errors = _errors(before[:held], axes), _errors(now, axes)
    if not len(errors[0]) or not len(errors[1]):
        return nothing("all values are missing on one side")
    score = mann_whitney(*errors)
    extras = {
        "components": axes.shape[1],
        "reference_error": float(np.mean(errors[0])),
        "current_error": float(np.mean(errors[1])),
    }
    return Score(score.extras["superiority"], score.p_value, extras)


def _moments(rows: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each column's values; 0 and 1 where there is none, 1 where it is constant."""
    known = ~np.isnan(rows)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.sum(np.where(known, rows, 0.0), axis=0) / count
    sd = np.sqrt(np.sum(np.where(known, rows - mean, 0.0) ** 2, axis=0) / count)
    return mean, np.where(sd > 1e-12 * np.abs(mean), sd, 1.0)


def _axes(rows: Floats, components: float) -> Floats:
    """The leading principal axes of standardized rows, shape (d, k), 1 ≤ k < d."""
    filled = np.nan_to_num(rows)
    variances, axes = np.linalg.eigh(filled.T @ filled)
    shares = np.cumsum(variances[::-1]) / max(float(np.sum(variances)), 1e-300)
    kept = int(np.searchsorted(shares, components - 1e-12)) + 1
    return np.asarray(axes[:, ::-1][:, : min(kept, rows.shape[1] - 1)], dtype=np.float64)


def _errors(rows: Floats, axes: Floats) -> Floats:
    """Mean squared residual of each row's values that are there, missing ones taken as the mean; rows without any
    are left out."""
    known = ~np.isnan(rows)
    filled = np.where(known, rows, 0.0)
    residuals = np.where(known, filled - filled @ axes @ axes.T, 0.0)
    values = known.sum(axis=1)
    return np.asarray(np.sum(residuals**2, axis=1)[values > 0] / values[values > 0], dtype=np.float64)
