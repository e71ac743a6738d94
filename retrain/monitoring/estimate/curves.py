"""Calibration for CBPE: how often a class came at each probability that the model gave it, in a bag of fits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy.optimize import isotonic_regression

from retrain.monitoring.estimate.class_scores import OF_CLASSES, known_probabilities, ranked_columns
from retrain.monitoring.estimate.common import Numbers, Score
from retrain.records.predictions import Floats, Labels, Predictions, label_codes

MOST_BINS, BIN_ROWS = 50, 10


@dataclass(frozen=True, eq=False)
class Curves:
    """Calibration: for each class against the rest, points `grid` (bins,) and for every member the isotonic
    share of the class there, `levels` (members, bins). Two classes: the second one's curve alone."""

    grids: tuple[Floats, ...]
    levels: tuple[Floats, ...]

    @classmethod
    def fit(cls, y: Labels, predictions: Predictions, draws: Floats) -> "Curves":
        """Fit to labels (n,) that the model knows; `draws` (members, n) says how often each row counts."""
        probabilities = known_probabilities(predictions)
        truth = label_codes(y, predictions.classes or ())
        columns = ranked_columns(probabilities)
        most = min(MOST_BINS, max(5, 1000 // len(columns)), max(1, len(y) // BIN_ROWS))
        fits = [_calibrated(probabilities[:, c], truth == c, draws, most) for c in columns]
        return cls(tuple(grid for grid, _ in fits), tuple(levels for _, levels in fits))

    def believe(self, predictions: Predictions, _matrix: Floats | None, member: int) -> Floats:
        """How likely each class is (n, k); rows sum to 1."""
        probabilities = known_probabilities(predictions)
        columns = zip(ranked_columns(probabilities), self.grids, self.levels, strict=True)
        shares = np.stack([np.interp(probabilities[:, c], grid, levels[member]) for c, grid, levels in columns], 1)
        if shares.shape[1] == 1:
            return np.hstack([1.0 - shares, shares])
        total = shares.sum(axis=1, keepdims=True)
        equal = np.full_like(shares, 1 / shares.shape[1])
        return cast(Floats, np.divide(shares, total, out=equal, where=total > 0))

    def draw(self, beliefs: Floats, _predictions: Predictions, rng: np.random.Generator) -> Floats:
        """Labels as `beliefs` (n, k) make them likely: 1 for the class that came, else 0."""
        above = rng.random(len(beliefs))[:, None] > np.cumsum(beliefs, axis=1)[:, :-1]
        return cast(Floats, np.eye(beliefs.shape[1])[above.sum(axis=1)])

    def score(self, name: str, predictions: Predictions) -> Score:
        """The metric of that name, given beliefs (n, k)."""
        return OF_CLASSES[name](predictions)

    def names(self) -> tuple[str, ...]:
        """Metrics that can be estimated."""
        return tuple(OF_CLASSES)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"x": [grid.tolist() for grid in self.grids], "y": [levels.tolist() for levels in self.levels]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Curves":
        """The inverse of `to_json`."""
        return cls(tuple(np.array(grid) for grid in value["x"]), tuple(np.array(levels) for levels in value["y"]))


def _calibrated(scores: Floats, positive: Numbers, draws: Floats, most: int) -> tuple[Floats, Floats]:
    """Isotonic shares of positives (members, bins) over the mean scores (bins,) of bins of equal counts."""
    cuts = np.unique(np.quantile(scores, np.linspace(0, 1, most + 1)[1:-1]))
    _, bins = np.unique(np.searchsorted(cuts, scores), return_inverse=True)
    sizes = np.bincount(bins)
    levels = np.zeros((len(draws), len(sizes)))
    for member, counts in enumerate(draws):
        rows = np.maximum(np.bincount(bins, counts), 1e-9)
        hits = np.maximum(np.bincount(bins, counts * positive), 1e-9 * positive.mean())
        levels[member] = isotonic_regression(np.minimum(hits / rows, 1.0), weights=rows).x
    return np.bincount(bins, scores) / sizes, levels.round(8)
