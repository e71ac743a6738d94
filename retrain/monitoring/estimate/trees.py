"""Trees for DLE: how large the error of a row is to be expected, from its prediction and features, in a bag of fits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from retrain.monitoring.estimate.common import Numbers, Score
from retrain.monitoring.estimate.error_scores import OF_NUMBERS, scatter
from retrain.records.predictions import Floats, Labels, Predictions

LEAVES, LEAF_ROWS = 16, 20


MOST_TREE_ROWS = 5_000
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Trees:
    """Shallow trees from prediction and features to the expected |error|, error², error (label − prediction)
    and, with `initial_median`, |label − median|. `residuals` are quantiles of the standardized errors."""

    trees: tuple[Mapping[str, Numbers], ...]
    residuals: Floats
    initial_median: float | None
    features: int

    @classmethod
    def fit(
        cls,
        y: Labels,
        predictions: Predictions,
        matrix: Floats | None,
        draws: Floats,
        initial_median: float | None,
        seed: int,
    ) -> "Trees":
        """One tree for each row of `draws` (members, n): how often each held-out row counts."""
        values = np.asarray(predictions.values, dtype=np.float64)
        moments = _moments(np.asarray(y, dtype=np.float64) - values, values, initial_median)
        inputs = _inputs(predictions, matrix)
        trees = tuple(_grown(inputs, moments, counts.astype(np.int64), seed) for counts in draws)
        mean = np.mean([_fallen(tree, inputs) for tree in trees], axis=0)
        standard = (moments[:, 2] - mean[:, 2]) / np.maximum(scatter(mean), np.finfo(np.float64).tiny)
        centred = (standard - standard.mean()) / (standard.std() or 1.0)
        return cls(trees, np.quantile(centred, np.linspace(0.005, 0.995, 100)), initial_median, inputs.shape[1])

    def believe(self, predictions: Predictions, matrix: Floats | None, member: int) -> Floats:
        """Expected |error|, error², error and |label − median| of each row (n, 4)."""
        return _fallen(self.trees[member], _inputs(predictions, matrix))

    def draw(self, beliefs: Floats, predictions: Predictions, rng: np.random.Generator) -> Floats:
        """The same of errors that came by chance."""
        errors = beliefs[:, 2] + scatter(beliefs) * rng.choice(self.residuals, len(beliefs))
        return _moments(errors, np.asarray(predictions.values, dtype=np.float64), self.initial_median)

    def score(self, name: str, predictions: Predictions) -> Score:
        """The metric of that name, given beliefs (n, 4)."""
        return OF_NUMBERS[name](predictions)

    def names(self) -> tuple[str, ...]:
        """Metrics that can be estimated."""
        return tuple(name for name in OF_NUMBERS if name != "mae_skill" or self.initial_median is not None)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        trees = [{key: values.tolist() for key, values in tree.items()} for tree in self.trees]
        plain = {"initial_median": self.initial_median, "features": self.features}
        return {"trees": trees, "residuals": self.residuals.tolist(), **plain}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Trees":
        """The inverse of `to_json`."""
        trees = tuple({key: np.array(values) for key, values in tree.items()} for tree in value["trees"])
        return cls(trees, np.array(value["residuals"]), value["initial_median"], value["features"])


def _grown(inputs: Numbers, moments: Floats, counts: NDArray[np.int64], seed: int) -> dict[str, Numbers]:
    """A tree as arrays over its nodes; `left` is −1 at a leaf, and `value` (nodes, 4) the mean moments."""
    rows = np.repeat(np.arange(len(inputs)), counts)
    scale = moments.std(axis=0)
    scale[scale == 0] = 1.0
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=LEAF_ROWS, random_state=seed)
    grown = tree.fit(inputs[rows], moments[rows] / scale).tree_
    return {
        "feature": np.maximum(grown.feature, 0),
        "threshold": np.minimum(grown.threshold, LARGEST),  # infinite where missing values stand against all others
        "left": grown.children_left,
        "right": grown.children_right,
        "missing_left": grown.missing_go_to_left.astype(bool),
        "value": grown.value[:, :, 0] * scale,
    }


def _fallen(tree: Mapping[str, Numbers], inputs: Numbers) -> Floats:
    """The mean moments (n, 4) of the leaf that each row of `inputs` (n, features) falls to."""
    node, every = np.zeros(len(inputs), dtype=np.int64), np.arange(len(inputs))
    while np.any(tree["left"][node] >= 0):
        value = inputs[every, tree["feature"][node]]
        goes_left = np.where(np.isnan(value), tree["missing_left"][node], value <= tree["threshold"][node])
        below = np.where(goes_left, tree["left"][node], tree["right"][node])
        node = np.where(tree["left"][node] >= 0, below, node)
    return cast(Floats, tree["value"][node])


def _inputs(predictions: Predictions, matrix: Floats | None) -> Numbers:
    """Prediction and features (n, 1 + features) in the precision of trees; infinite is missing."""
    values = np.asarray(predictions.values, dtype=np.float64)[:, None]
    whole = values if matrix is None else np.hstack([values, matrix])
    finite = np.where(np.isfinite(whole), whole, np.nan)
    return np.clip(finite, -LARGEST, LARGEST).astype(np.float32)


def _moments(errors: Floats, values: Floats, initial_median: float | None) -> Floats:
    """|error|, error², error, |label − median| (n, 4) of label = value + error."""
    naive = np.zeros(len(errors)) if initial_median is None else np.abs(values + errors - initial_median)
    return np.stack([np.abs(errors), errors**2, errors, naive], axis=1)
