"""Contributions of the columns to a linear model's sum: its coefficients times how far the row is from background rows.

A sum has no interactions, so these are the Shapley values of any background with this mean (Lundberg and Lee 2017,
Corollary 1)."""

from typing import Any

import numpy as np
from sklearn.linear_model._base import LinearClassifierMixin, LinearModel

from retrain.records.predictions import Floats

CLOSE = 1e-9
"""Relative: how near the model's own sum is to that of its coefficients."""


def coefficients_of(estimator: Any, X: Floats) -> tuple[Floats, Floats] | None:
    """Coefficients (features, k) and intercepts (k,) of a fitted linear model; None for other models, and where they do
    not give its own sums of X (n, features)."""
    if isinstance(estimator, LinearClassifierMixin):
        own = estimator.decision_function(X)
    elif isinstance(estimator, LinearModel):
        own = estimator.predict(X)
    else:
        return None
    coefficients = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64)).T
    intercept = np.broadcast_to(np.asarray(estimator.intercept_, dtype=np.float64), coefficients.shape[1:])
    sums = X @ coefficients + intercept
    scale = np.abs(X) @ np.abs(coefficients) + np.abs(intercept) + 1e-300
    is_own = sums.size == np.size(own) and np.all(np.abs(sums - np.reshape(own, sums.shape)) <= CLOSE * scale)
    return (coefficients, intercept) if is_own else None


class Linear:
    """Of one linear model, against background rows (m, features) of its matrix; `owners` (features,) says which column
    each feature was made of. `base` (k,) is the sum at the background's mean."""

    def __init__(self, coefficients: Floats, intercept: Floats, background: Floats, owners: Any, columns: int) -> None:
        self._coefficients, self._middle = coefficients, background.mean(axis=0)
        self._belongs = np.asarray(owners == np.arange(columns)[:, None], dtype=np.float64)
        self.base: Floats = self._middle @ coefficients + intercept

    def __call__(self, X: Floats) -> Floats:
        """Contributions (n, columns, k) for X (n, features)."""
        parts = (X - self._middle)[:, :, None] * self._coefficients
        return np.moveaxis(np.tensordot(self._belongs, parts, (1, 1)), 0, 1)
