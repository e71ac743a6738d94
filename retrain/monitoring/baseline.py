"""How much better a version is than the constant answer, on rows that it was not trained on."""

from dataclasses import replace

import numpy as np

from retrain.metrics.costs import cost_matrix
from retrain.metrics.metric import Metric, weighted
from retrain.model.decision import Decision
from retrain.model.recalibration import Recalibration
from retrain.model.threshold import decision_on
from retrain.model.version import LoadedVersion
from retrain.monitoring.paired import paired_difference
from retrain.planning.gate import PairedGain
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.records.settings import ModelSettings


def constant_answer(version: LoadedVersion, rows: int, configured: Recalibration | None) -> Predictions:
    """What the naive baseline says of n rows: where costs are configured the class that costs least as an answer to
    everything, whatever the threshold of the version's probabilities is."""
    said, rule = version.baseline.predict(rows), None if configured is None else configured.rule
    if configured is None or rule is None or not rule.costs:
        return said
    return replace(configured, rule=Decision(rule.costs)).apply(said)


def gain_over_baseline(
    version: LoadedVersion, predictions: Predictions, y: Labels, weights: Floats | None, settings: ModelSettings
) -> PairedGain | None:
    """On n rows with labels y (n,) that the version did not learn from, as if none of them had chosen its threshold."""
    said, rule = _decided_apart(version, predictions, y, weights, settings)
    naive = constant_answer(version, len(y), rule if settings.decision.configured else None)
    found = paired_difference(weighted(version.metric, weights), y, said, naive, settings.estimator.seed)
    if found is None or found.se is None or version.metric.name != "cost":
        return found
    return replace(found, se=float(np.hypot(found.se, _unseen_cost(rule, predictions) / len(y))))


def _decided_apart(
    version: LoadedVersion, predictions: Predictions, y: Labels, weights: Floats | None, settings: ModelSettings
) -> tuple[Predictions, Recalibration | None]:
    """What is answered, by a threshold that is chosen for each half of the rows on the other one: what did best on
    rows is no measure of them. And the decision of one half."""
    rule, halves = None, np.arange(len(y)) % 2 == 0
    answered: list[Predictions] = []
    for half in (halves, ~halves):
        metric: Metric = weighted(version.metric, None if weights is None else weights[~half])
        rule = decision_on(version, predictions.take(~half), y[~half], metric, settings)
        answered.append(predictions.take(half) if rule is None else rule.apply(predictions.take(half)))
    order = np.argsort(np.concatenate([np.flatnonzero(halves), np.flatnonzero(~halves)]))
    values = np.concatenate([one.values for one in answered])[order]
    parts = [one.probabilities for one in answered if one.probabilities is not None]
    probabilities = np.concatenate(parts)[order] if len(parts) == len(answered) else None
    return Predictions(values, probabilities, answered[0].classes), rule


def _unseen_cost(rule: Recalibration | None, predictions: Predictions) -> float:
    """What one row of another kind would cost: where few rows cost much, n rows without one of them do not say that
    there is none, and their own spread is too small. 0 without costs."""
    costs = () if rule is None or rule.rule is None else rule.rule.costs
    return float(cost_matrix(costs, predictions.classes or ()).max()) if costs else 0.0
