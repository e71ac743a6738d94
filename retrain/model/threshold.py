"""The threshold that did best on rows whose labels are settled, and that a version was not trained on."""

from dataclasses import replace

import numpy as np

from retrain.metrics.losses import row_losses
from retrain.metrics.metric import Metric, weighted
from retrain.metrics.registry import mean_cost
from retrain.model.decision import Decision
from retrain.model.deployment import fair_decision
from retrain.model.recalibration import Recalibration
from retrain.model.version import LoadedVersion
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.records.settings import ModelSettings

FEWEST_ROWS, FEWEST_OF_EACH = 50, 10
"""Rows, and rows of each of the two classes, that a threshold is chosen on."""
SURE_Z = 1.0
"""Standard errors by which another threshold must do better than the one to begin with."""
TRIED = 24
"""Quantiles of the probabilities that are tried, of all rows and of the positive ones."""


def decision_on(
    version: LoadedVersion, predictions: Predictions, y: Labels, metric: Metric, settings: ModelSettings
) -> Recalibration | None:
    """The decision with which predictions of n settled rows are compared, as `fair_decision` has it; a threshold that
    is to be chosen is that for these rows."""
    decision = fair_decision(version, settings)
    if decision is None or decision.rule is None or not decision.rule.chosen:
        return decision
    return replace(decision, rule=chosen(decision.rule, predictions, y, metric))


def chosen(rule: Decision, predictions: Predictions, y: Labels, metric: Metric) -> Decision:
    """The rule with the threshold of the least cost, or without costs of the best metric, y (n,); its own where no
    other is better by more than a standard error of the paired difference, or where the rows are too few to tell."""
    metric = weighted(mean_cost(rule.costs), metric.base) if rule.costs else metric
    given = _positives(rule, predictions)
    positive = y.astype(np.str_) == rule.positive
    few = min(int(positive.sum()), int((~positive).sum()))
    if given is None or len(y) < FEWEST_ROWS or few < FEWEST_OF_EACH:
        return rule
    sign = 1.0 if metric.greater_is_better else -1.0
    scores = {at: _score(rule, at, predictions, y, metric) for at in _tried(given, positive)}
    known = {at: sign * value for at, value in scores.items() if value is not None}
    if not known:
        return rule
    best = replace(rule, threshold=max(known, key=lambda at: known[at]))
    return best if _surely_better(best, rule, predictions, y, metric) else rule


def _positives(rule: Decision, predictions: Predictions) -> Floats | None:
    """Of each row the probability of the positive class, (n,)."""
    classes, probabilities = predictions.classes or (), predictions.probabilities
    if probabilities is None or rule.positive not in classes:
        return None
    return np.asarray(probabilities[:, classes.index(rule.positive)], dtype=np.float64)


def _tried(given: Floats, positive: Floats) -> list[float]:
    """Thresholds between neighbouring rows, spread over all rows and over the positive ones."""
    places = (np.arange(TRIED) + 0.5) / TRIED
    wanted = np.concatenate([np.quantile(given, places), np.quantile(given[positive.astype(bool)], places)])
    ordered = np.unique(given)
    at = np.unique(np.searchsorted(ordered, np.unique(wanted)).clip(1, max(1, len(ordered) - 1)))
    if len(ordered) < 2:
        return []
    return [float(one) for one in (ordered[at - 1] + ordered[at]) / 2 if 0 < one < 1]


def _answered(rule: Decision, predictions: Predictions) -> Predictions:
    return Recalibration(predictions.classes, rule=rule).apply(predictions)


def _score(rule: Decision, threshold: float, predictions: Predictions, y: Labels, metric: Metric) -> float | None:
    return metric.score(y, _answered(replace(rule, threshold=threshold), predictions))


def _surely_better(best: Decision, before: Decision, predictions: Predictions, y: Labels, metric: Metric) -> bool:
    losses = [row_losses(metric, y, _answered(one, predictions)) for one in (before, best)]
    if losses[0] is None or losses[1] is None:
        return False
    gains = losses[0] - losses[1]
    return bool(gains.mean() > SURE_Z * gains.std() / np.sqrt(len(gains)))
