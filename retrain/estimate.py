"""How a model does on rows without labels, estimated from what its held-out rows told.

Classification: confidence-based performance estimation (CBPE, as NannyML names it; Guillory et al. 2021 and
Garg et al. 2022 study the idea): calibrated probabilities say how likely each class is, hence which value a
metric is expected to have. Regression: direct loss estimation (DLE): trees learn the size of the errors from
features and prediction. Both are ensembles of fits to block resamples of the held-out rows (bagging, Breiman
1996): their mean estimates, their spread tells how sure it is, and the reference value takes for each held-out
row only the members that did not see it. Blind where the relation of features and target changes (concept drift).
Far from all held-out rows it takes what the nearest of them told, and the interval does not know of that.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from sklearn.tree import DecisionTreeRegressor

from retrain.metrics import NAMES, Metric
from retrain.performance import Z_95, drop_p_value
from retrain.predictions import Floats, Labels, Predictions, label_codes
from retrain.resampling import block_counts, spread

Score = Callable[[Floats, Floats], float]
Numbers = NDArray[Any]

ASSUMES = "an estimate, not a measurement: the relation between features and target has not changed"
FORMAT = 1
FEWEST_ROWS = 50
MEMBERS = 50
MOST_CELLS = 400_000
MOST_TREE_ROWS = 5_000
LEAVES, LEAF_ROWS = 16, 20
MOST_BINS, BIN_ROWS = 50, 10
PRESENT = 0.5
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
LARGEST = float(np.finfo(np.float32).max)


def fit_estimate(
    task: str,
    y: Labels,
    predictions: Predictions,
    matrix: Floats | None,
    seed: int,
    *,
    initial_median: float | None = None,
) -> dict[str, Any]:
    """What `estimate_performance` needs, as plain JSON, from held-out labels `y` (n,), oldest first, what the
    model said of them, and for regression the model's features `matrix` (n, features), None to go without.

    `reason` is a sentence where the rows allow no estimate. Labels that the model does not know are left out.
    """
    method = "CBPE" if task == "classification" else "DLE"
    classes = None if predictions.classes is None else list(predictions.classes)
    head = {"format": FORMAT, "method": method, "seed": seed, "classes": classes}
    known = _known(y, predictions)
    reason = _unfit(task, y[known], predictions)
    if reason:
        return head | {"rows": len(known), "reason": reason}
    most = _most_rows(predictions) if task == "classification" else MOST_TREE_ROWS
    kept = known[_evenly(len(known), most)]
    said, truth = predictions.take(kept), y[kept]
    rng = np.random.default_rng(seed)
    draws = np.array([block_counts(len(kept), rng) for _ in range(MEMBERS)])
    model: _Curves | _Trees
    if task == "classification":
        model, inputs = _Curves.fit(truth, said, draws), None
    else:
        inputs = None if matrix is None else matrix[kept]
        model = _Trees.fit(truth, said, inputs, draws, initial_median, seed)
    reference = _reference(model, said, inputs, draws)
    return head | {"rows": len(kept), "reason": None, "reference": reference, "model": model.to_json()}


def estimate_performance(
    metric: Metric, fitted: Mapping[str, Any], predictions: Predictions, matrix: Floats | None
) -> dict[str, Any]:
    """The metric that labels of these n rows would probably give, from the predictions and, for regression,
    the model's features `matrix` (n, features).

    `se` holds the sampling error of such a metric and the uncertainty of the fit; `interval` is value ± 1.96 se.
    `drop` is how much worse `value` is than `reference`, the estimate for the held-out rows, and `p_value` that
    of the one-sided z-test with `drop_se`, the spread of this difference. `reason` tells why a number is None.
    """
    numbers = ("value", "se", "interval", "reference", "drop", "drop_se", "p_value")
    told = {"metric": metric.name, **dict.fromkeys(numbers), "rows": len(predictions), "estimate": True}
    told |= {"method": fitted["method"], "assumes": ASSUMES, "reason": None}
    reason = _unusable(metric, fitted, predictions, matrix)
    if reason:
        return told | {"reason": reason}
    model = (_Curves if fitted["method"] == "CBPE" else _Trees).from_json(fitted["model"])
    kept = _evenly(len(predictions), _most_rows(predictions))
    inputs = None if matrix is None else matrix[kept]
    return told | _estimated(metric, model, fitted, predictions.take(kept), inputs)


@dataclass(frozen=True, eq=False)
class _Curves:
    """Calibration: for each class against the rest, points `grid` (bins,) and for every member the isotonic
    share of the class there, `levels` (members, bins). Two classes: the second one's curve alone."""

    grids: tuple[Floats, ...]
    levels: tuple[Floats, ...]

    @classmethod
    def fit(cls, y: Labels, predictions: Predictions, draws: Floats) -> "_Curves":
        """Fit to labels (n,) that the model knows; `draws` (members, n) says how often each row counts."""
        probabilities = _probabilities(predictions)
        truth = label_codes(y, predictions.classes or ())
        columns = _told_columns(probabilities)
        most = min(MOST_BINS, max(5, 1000 // len(columns)), max(1, len(y) // BIN_ROWS))
        fits = [_calibrated(probabilities[:, c], truth == c, draws, most) for c in columns]
        return cls(tuple(grid for grid, _ in fits), tuple(levels for _, levels in fits))

    def believe(self, predictions: Predictions, _matrix: Floats | None, member: int) -> Floats:
        """How likely each class is (n, k); rows sum to 1."""
        probabilities = _probabilities(predictions)
        columns = zip(_told_columns(probabilities), self.grids, self.levels, strict=True)
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
    def from_json(cls, value: Mapping[str, Any]) -> "_Curves":
        """The inverse of `to_json`."""
        return cls(tuple(np.array(grid) for grid in value["x"]), tuple(np.array(levels) for levels in value["y"]))


@dataclass(frozen=True, eq=False)
class _Trees:
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
    ) -> "_Trees":
        """One tree for each row of `draws` (members, n): how often each held-out row counts."""
        values = np.asarray(predictions.values, dtype=np.float64)
        moments = _moments(np.asarray(y, dtype=np.float64) - values, values, initial_median)
        inputs = _inputs(predictions, matrix)
        trees = tuple(_grown(inputs, moments, counts.astype(np.int64), seed) for counts in draws)
        mean = np.mean([_fallen(tree, inputs) for tree in trees], axis=0)
        standard = (moments[:, 2] - mean[:, 2]) / np.maximum(_scatter(mean), np.finfo(np.float64).tiny)
        centred = (standard - standard.mean()) / (standard.std() or 1.0)
        return cls(trees, np.quantile(centred, np.linspace(0.005, 0.995, 100)), initial_median, inputs.shape[1])

    def believe(self, predictions: Predictions, matrix: Floats | None, member: int) -> Floats:
        """Expected |error|, error², error and |label − median| of each row (n, 4)."""
        return _fallen(self.trees[member], _inputs(predictions, matrix))

    def draw(self, beliefs: Floats, predictions: Predictions, rng: np.random.Generator) -> Floats:
        """The same of errors that came by chance."""
        errors = beliefs[:, 2] + _scatter(beliefs) * rng.choice(self.residuals, len(beliefs))
        return _moments(errors, np.asarray(predictions.values, dtype=np.float64), self.initial_median)

    def score(self, name: str, predictions: Predictions) -> Score:
        """The metric of that name, given beliefs (n, 4)."""
        return OF_NUMBERS[name](predictions)

    def names(self) -> tuple[str, ...]:
        """Metrics that can be estimated."""
        return tuple(name for name in OF_NUMBERS if name != "relative_mae" or self.initial_median is not None)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        trees = [{key: values.tolist() for key, values in tree.items()} for tree in self.trees]
        plain = {"initial_median": self.initial_median, "features": self.features}
        return {"trees": trees, "residuals": self.residuals.tolist(), **plain}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "_Trees":
        """The inverse of `to_json`."""
        trees = tuple({key: np.array(values) for key, values in tree.items()} for tree in value["trees"])
        return cls(trees, np.array(value["residuals"]), value["initial_median"], value["features"])


def _known(y: Labels, predictions: Predictions) -> NDArray[np.int64]:
    """Positions of the rows whose label the model can give."""
    if predictions.classes is None:
        errors = np.asarray(y, dtype=np.float64) - np.asarray(predictions.values, dtype=np.float64)
        return np.flatnonzero(np.abs(errors) < math.sqrt(LARGEST))
    return np.flatnonzero(label_codes(y, predictions.classes) >= 0)


def _unfit(task: str, y: Labels, predictions: Predictions) -> str:
    """Why held-out labels `y` allow no estimate; empty where they do."""
    if task == "classification" and predictions.probabilities is None:
        return "the estimator gives no probabilities"
    if len(y) < FEWEST_ROWS:
        return f"only {len(y)} held-out rows; {FEWEST_ROWS} are needed to estimate"
    if task == "classification" and len(set(y.tolist())) < 2:
        return "the held-out labels are all of one class"
    return ""


def _unusable(metric: Metric, fitted: Mapping[str, Any], predictions: Predictions, matrix: Floats | None) -> str:
    """Why the metric of these rows cannot be estimated; empty where it can."""
    if fitted["format"] != FORMAT:
        return f"estimate format {fitted['format']!r}; this driftd reads format {FORMAT}"
    if fitted["reason"]:
        return str(fitted["reason"])
    if metric.name not in fitted["reference"]:
        return f"{metric.name} cannot be estimated without labels"
    if not len(predictions):
        return "no rows"
    if fitted["method"] == "DLE":
        features = 1 if matrix is None else 1 + matrix.shape[1]
        expected = fitted["model"]["features"]
        return "" if features == expected else f"{features - 1} features; the estimate was fitted on {expected - 1}"
    if predictions.probabilities is None:
        return "the estimator gives no probabilities"
    same = fitted["classes"] == list(predictions.classes or ())
    return "" if same else "the estimate was fitted on other classes than these"


def _reference(
    model: _Curves | _Trees, predictions: Predictions, matrix: Floats | None, draws: Floats
) -> dict[str, dict[str, Any]]:
    """For each metric the estimate for the held-out rows, every row by the members that did not see it, and
    the `members`' own estimates for the rows that they were fitted to."""
    scores = {name: model.score(name, predictions) for name in model.names()}
    members: dict[str, list[float | None]] = {name: [] for name in scores}
    unseen = np.maximum((draws == 0).astype(np.float64), 1e-9)
    total: Any = 0.0
    for member, counts in enumerate(draws):
        beliefs = model.believe(predictions, matrix, member)
        total = total + unseen[member][:, None] * beliefs
        for name, score in scores.items():
            members[name].append(_finite(score(beliefs, counts)))
    honest = total / unseen.sum(axis=0)[:, None]
    equal = np.ones(len(honest))
    return {name: {"value": _finite(score(honest, equal)), "members": members[name]} for name, score in scores.items()}


def _estimated(
    metric: Metric,
    model: _Curves | _Trees,
    fitted: Mapping[str, Any],
    predictions: Predictions,
    matrix: Floats | None,
) -> dict[str, Any]:
    """The numbers of the result."""
    rng = np.random.default_rng(fitted["seed"])
    score = model.score(metric.name, predictions)
    expected, drawn = np.full(MEMBERS, np.nan), np.full(MEMBERS, np.nan)
    total: Any = 0.0
    for member in range(MEMBERS):
        beliefs, counts = model.believe(predictions, matrix, member), block_counts(len(predictions), rng)
        total = total + beliefs
        expected[member] = score(beliefs, counts)
        drawn[member] = score(model.draw(beliefs, predictions, rng), counts)
    value = _finite(score(total / MEMBERS, np.ones(len(predictions))))
    if value is None:
        return {"reason": f"{metric.name} is undefined for the labels that are expected"}
    error = spread(drawn) if len(predictions) > 1 else None
    interval = None if error is None else _interval(metric, value, error)
    reference = fitted["reference"][metric.name]
    found = {"value": value, "se": error, "interval": interval, "reference": reference["value"]}
    if reference["value"] is None:
        return found | {"reason": f"{metric.name} is undefined on the held-out rows"}
    differences = np.array(reference["members"], dtype=np.float64) - expected
    return found | _compared(metric, value, reference["value"], spread(differences), len(predictions))


def _compared(metric: Metric, value: float, reference: float, error: float | None, rows: int) -> dict[str, Any]:
    drop = -metric.improvement(reference, value)
    if rows < FEWEST_ROWS or error is None:
        few = f"only {rows} rows; {FEWEST_ROWS} are needed to tell a drop"
        return {"drop": drop, "reason": few if rows < FEWEST_ROWS else "the standard error is undefined"}
    return {"drop": drop, "drop_se": error, "p_value": drop_p_value(drop, error, 0.0)}


def _interval(metric: Metric, value: float, error: float) -> list[float]:
    """value ± 1.96 se within what the metric can be."""
    low = -math.inf if metric.name in ("r2", "relative_mae") else 0.0
    high = 1.0 if metric.greater_is_better else math.inf
    return [max(low, value - Z_95 * error), min(high, value + Z_95 * error)]


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


def _grown(inputs: Numbers, moments: Floats, counts: NDArray[np.int64], seed: int) -> dict[str, Numbers]:
    """A tree as arrays over its nodes; `left` is −1 at a leaf, and `value` (nodes, 4) the mean moments."""
    rows = np.repeat(np.arange(len(inputs)), counts)
    scale = moments.std(axis=0)
    scale[scale == 0] = 1.0
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=LEAF_ROWS, random_state=seed)
    grown = tree.fit(inputs[rows], moments[rows] / scale).tree_
    return {
        "feature": np.maximum(grown.feature, 0),
        "threshold": grown.threshold,
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


def _scatter(beliefs: Floats) -> Floats:
    """Standard deviation of the errors (n,) around their mean."""
    return cast(Floats, np.sqrt(np.maximum(beliefs[:, 1] - beliefs[:, 2] ** 2, 0.0)))


def _evenly(rows: int, most: int) -> NDArray[np.int64]:
    """At most `most` positions of `rows`, spread evenly.

    >>> _evenly(10, 4)
    array([0, 3, 6, 9])
    """
    return np.linspace(0, rows - 1, min(rows, most)).astype(np.int64)


def _most_rows(predictions: Predictions) -> int:
    """Rows that are looked at: fewer where classes are many."""
    return max(1000, MOST_CELLS // max(20, len(predictions.classes or ())))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _probabilities(predictions: Predictions) -> Floats:
    assert predictions.probabilities is not None
    return predictions.probabilities


def _told_columns(probabilities: Floats) -> list[int]:
    """Classes that are looked at against the rest: of two the second, which tells the first."""
    return [1] if probabilities.shape[1] == 2 else list(range(probabilities.shape[1]))


def _said(predictions: Predictions) -> Floats:
    """1 for the class that was predicted, else 0; shape (n, k)."""
    names = predictions.classes or ()
    return np.eye(len(names))[label_codes(predictions.values, names)]


def _mean_of(values: Floats) -> Score:
    """Expected mean of `values` (n, k), a row's share of the metric for each label."""
    return lambda beliefs, weight: float(weight @ np.einsum("ij,ij->i", beliefs, values) / weight.sum())


def _log_losses(predictions: Predictions) -> Score:
    return _mean_of(-np.log(np.clip(_probabilities(predictions), SMALLEST_PROBABILITY, 1.0)))


def _brier_losses(predictions: Predictions) -> Score:
    given = _probabilities(predictions)
    losses = np.sum(given**2, axis=1, keepdims=True) - 2.0 * given + 1.0
    return _mean_of(losses / 2.0 if given.shape[1] == 2 else losses)


def _balanced_accuracy(predictions: Predictions) -> Score:
    """Mean recall of the classes of which at least half a row is expected."""
    said = _said(predictions)

    def score(beliefs: Floats, weight: Floats) -> float:
        total, hit = weight @ beliefs, weight @ (beliefs * said)
        present = total >= PRESENT
        return float(np.mean(hit[present] / total[present])) if np.count_nonzero(present) > 1 else math.nan

    return score


def _f1_macro(predictions: Predictions) -> Score:
    """Mean F1, from the expected counts, of the classes that are predicted or expected."""
    said = _said(predictions)

    def score(beliefs: Floats, weight: Floats) -> float:
        both, hit = weight @ beliefs + weight @ said, weight @ (beliefs * said)
        present = both >= PRESENT
        return float(np.mean(2.0 * hit[present] / both[present]))

    return score


def _ranking(one: Callable[[Floats, Floats], float]) -> Callable[[Predictions], Score]:
    """The mean over classes of `one`, given the expected weight of positives and of all in groups of tied
    probability, the highest first."""

    def bind(predictions: Predictions) -> Score:
        probabilities = _probabilities(predictions)
        orders = {c: _ordered(probabilities[:, c]) for c in _told_columns(probabilities)}

        def score(beliefs: Floats, weight: Floats) -> float:
            values = []
            for column, (order, starts) in orders.items():
                positives = np.add.reduceat((weight * beliefs[:, column])[order], starts)
                everything = np.add.reduceat(weight[order], starts)
                if PRESENT <= positives.sum() <= everything.sum() - PRESENT:
                    values.append(one(positives, everything))
            return float(np.mean(values)) if values else math.nan

        return score

    return bind


def _ordered(scores: Floats) -> tuple[Numbers, Numbers]:
    """Rows in falling order of score, and where each group of ties starts."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    return order, np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])


def _area(positives: Floats, everything: Floats) -> float:
    """Expected share of (positive, negative) pairs in the right order, ties count half."""
    negatives = everything - positives
    above = np.cumsum(positives) - 0.5 * positives
    return float(above @ negatives / (positives.sum() * negatives.sum()))


def _precision(positives: Floats, everything: Floats) -> float:
    found, seen = np.cumsum(positives), np.cumsum(everything)
    precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
    return float(positives @ precision / found[-1])


def _r2(predictions: Predictions) -> Score:
    """1 − error² / variance of the labels: that of their expectations and that around them."""
    values = np.asarray(predictions.values, dtype=np.float64)

    def score(beliefs: Floats, weight: Floats) -> float:
        share, centre = weight / weight.sum(), values + beliefs[:, 2]
        variance = float(share @ ((centre - share @ centre) ** 2 + _scatter(beliefs) ** 2))
        return 1.0 - float(share @ beliefs[:, 1]) / variance if variance > 0 else math.nan

    return score


def _relative_mae(beliefs: Floats, weight: Floats) -> float:
    naive = float(weight @ beliefs[:, 3])
    return 1.0 - float(weight @ beliefs[:, 0]) / naive if naive > 0 else math.nan


def _mae(beliefs: Floats, weight: Floats) -> float:
    return float(weight @ beliefs[:, 0] / weight.sum())


def _rmse(beliefs: Floats, weight: Floats) -> float:
    return math.sqrt(float(weight @ beliefs[:, 1] / weight.sum()))


OF_CLASSES: dict[str, Callable[[Predictions], Score]] = {
    "balanced_accuracy": _balanced_accuracy,
    "accuracy": lambda predictions: _mean_of(_said(predictions)),
    "roc_auc": _ranking(_area),
    "average_precision": _ranking(_precision),
    "f1_macro": _f1_macro,
    "log_loss": _log_losses,
    "brier": _brier_losses,
}
OF_NUMBERS: dict[str, Callable[[Predictions], Score]] = {
    "mae": lambda _: _mae,
    "rmse": lambda _: _rmse,
    "r2": _r2,
    "relative_mae": lambda _: _relative_mae,
}
assert set(OF_CLASSES) == set(NAMES["classification"]) and set(OF_NUMBERS) == set(NAMES["regression"])
