"""What a classification metric is expected to be, given how likely each class of each row is."""

import math
from collections.abc import Callable

import numpy as np

from retrain.metrics.classification import SMALLEST_PROBABILITY, Ranking, ranked_area, ranked_precision
from retrain.monitoring.estimate.common import Score
from retrain.records.predictions import Floats, Predictions, label_codes
from retrain.records.settings import METRICS

PRESENT = 0.5


def known_probabilities(predictions: Predictions) -> Floats:
    assert predictions.probabilities is not None
    return predictions.probabilities


def ranked_columns(probabilities: Floats) -> list[int]:
    """Classes that are looked at against the rest: of two the second, which tells the first."""
    return [1] if probabilities.shape[1] == 2 else list(range(probabilities.shape[1]))


def _predicted(predictions: Predictions) -> Floats:
    """1 for the class that was predicted, else 0; shape (n, k)."""
    names = predictions.classes or ()
    return np.eye(len(names))[label_codes(predictions.values, names)]


def _mean_of(values: Floats) -> Score:
    """Expected mean of `values` (n, k), a row's share of the metric for each label."""
    return lambda beliefs, weight: float(weight @ np.einsum("ij,ij->i", beliefs, values) / weight.sum())


def _log_losses(predictions: Predictions) -> Score:
    return _mean_of(-np.log(np.clip(known_probabilities(predictions), SMALLEST_PROBABILITY, 1.0)))


def _brier_losses(predictions: Predictions) -> Score:
    given = known_probabilities(predictions)
    losses = np.sum(given**2, axis=1, keepdims=True) - 2.0 * given + 1.0
    return _mean_of(losses / 2.0 if given.shape[1] == 2 else losses)


def _balanced_accuracy(predictions: Predictions) -> Score:
    """Mean recall of the classes of which at least half a row is expected."""
    predicted = _predicted(predictions)

    def score(beliefs: Floats, weight: Floats) -> float:
        total, hit = weight @ beliefs, weight @ (beliefs * predicted)
        present = total >= PRESENT
        return float(np.mean(hit[present] / total[present])) if np.count_nonzero(present) > 1 else math.nan

    return score


def _f1_macro(predictions: Predictions) -> Score:
    """Mean F1, from the expected counts, of the classes that are predicted or expected."""
    predicted = _predicted(predictions)

    def score(beliefs: Floats, weight: Floats) -> float:
        both, hit = weight @ beliefs + weight @ predicted, weight @ (beliefs * predicted)
        present = both >= PRESENT
        return float(np.mean(2.0 * hit[present] / both[present]))

    return score


def _ranking(one: Callable[[Floats, Floats], float]) -> Callable[[Predictions], Score]:
    """The mean over classes of `one`, given the expected weight of positives and of all in groups of tied
    probability, the highest first."""

    def bind(predictions: Predictions) -> Score:
        probabilities = known_probabilities(predictions)
        rankings = {c: Ranking(probabilities[:, c]) for c in ranked_columns(probabilities)}

        def score(beliefs: Floats, weight: Floats) -> float:
            values = []
            for column, ranking in rankings.items():
                positives, everything = ranking.groups(weight * beliefs[:, column], weight)
                if PRESENT <= positives.sum() <= everything.sum() - PRESENT:
                    values.append(one(positives, everything))
            return float(np.mean(values)) if values else math.nan

        return score

    return bind


OF_CLASSES: dict[str, Callable[[Predictions], Score]] = {
    "balanced_accuracy": _balanced_accuracy,
    "accuracy": lambda predictions: _mean_of(_predicted(predictions)),
    "roc_auc": _ranking(ranked_area),
    "average_precision": _ranking(ranked_precision),
    "f1_macro": _f1_macro,
    "log_loss": _log_losses,
    "brier": _brier_losses,
}
assert {*OF_CLASSES, "cost"} == set(METRICS["classification"])
"""What an answer costs is told by labels alone: the estimate does not know the costs."""
