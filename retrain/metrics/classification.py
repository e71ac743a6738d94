"""Metrics of classification; labels that the predictions do not know count as classes of probability 0."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from retrain.metrics.metric import Undefined, Weighted
from retrain.records.predictions import Floats, Labels, Predictions, label_codes

Codes = NDArray[np.int64]
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


def hits(y: Labels, predictions: Predictions) -> Floats:
    """1 where the class is right, else 0; shape (n,)."""
    truth, predicted, _ = _codes(y, predictions)
    right: Floats = (truth == predicted).astype(np.float64)
    return right


def log_losses(y: Labels, predictions: Predictions) -> Floats:
    """−log of the probability given to the true class, at least machine epsilon; shape (n,)."""
    probabilities, truth = _probabilities(y, predictions)
    given = np.take_along_axis(probabilities, truth[:, None], axis=1)[:, 0]
    losses: Floats = -np.log(np.clip(given, SMALLEST_PROBABILITY, 1.0))
    return losses


def brier_losses(y: Labels, predictions: Predictions) -> Floats:
    """Squared distance of the probabilities to the truth, halved for two classes (Brier 1950); shape (n,)."""
    probabilities, truth = _probabilities(y, predictions)
    given = np.take_along_axis(probabilities, truth[:, None], axis=1)[:, 0]
    losses: Floats = np.sum(probabilities**2, axis=1) - 2.0 * given + 1.0
    return losses / 2.0 if len(_classes(predictions)) == 2 else losses


def balanced_accuracy(y: Labels, predictions: Predictions) -> Weighted:
    """Mean recall of the classes that occur in `y`; undefined for a single one."""
    truth, predicted, size = _codes(y, predictions)
    _at_least_two(truth)
    cells = 2 * truth + (truth == predicted)

    def value(weight: Floats) -> float:
        counts = np.bincount(cells, weight, 2 * size)
        hit = counts[1::2]
        total = counts[::2] + hit
        present = total > 0
        return float(np.mean(hit[present] / total[present])) if np.count_nonzero(present) > 1 else np.nan

    return value


def f1_macro(y: Labels, predictions: Predictions) -> Weighted:
    """Mean F1 of the classes that occur among labels or predictions."""
    truth, predicted, size = _codes(y, predictions)
    right = (truth == predicted).astype(np.float64)

    def value(weight: Floats) -> float:
        both = np.bincount(truth, weight, size) + np.bincount(predicted, weight, size)
        present = both > 0
        return float(np.mean(2.0 * np.bincount(truth, weight * right, size)[present] / both[present]))

    return value


def roc_auc(y: Labels, predictions: Predictions) -> Weighted:
    """Area under the ROC curve; more than two classes: the mean over classes, each against the rest."""
    return _over_classes(y, predictions, ranked_area)


def average_precision(y: Labels, predictions: Predictions) -> Weighted:
    """Σ (recall step · precision) of the last class in order of names; more than two classes: their mean."""
    return _over_classes(y, predictions, ranked_precision)


class Ranking:
    """One class's scores, sorted once: rows in falling order of score, grouped by ties."""

    def __init__(self, scores: Floats) -> None:
        self.order = np.argsort(-scores, kind="stable")
        ordered = scores[self.order]
        self.starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])

    def groups(self, positives: Floats, weight: Floats) -> tuple[Floats, Floats]:
        """The weight of positives, of which each row has so much (n,), and of all rows, in each group of ties."""
        positive, everything = (np.add.reduceat(one[self.order], self.starts) for one in (positives, weight))
        return positive, everything


def ranked_area(positives: Floats, everything: Floats) -> float:
    """Mann-Whitney: the share of (positive, negative) pairs in the right order, ties count half; NaN without pairs."""
    negatives = everything - positives
    above = np.cumsum(positives) - 0.5 * positives
    pairs = positives.sum() * negatives.sum()
    return float(above @ negatives / pairs) if pairs > 0 else np.nan


def ranked_precision(positives: Floats, everything: Floats) -> float:
    """Σ (recall step · precision); NaN where all are positive or none is."""
    hits, rows = np.cumsum(positives), np.cumsum(everything)
    if hits[-1] <= 0 or hits[-1] == rows[-1]:
        return np.nan
    precision = np.divide(hits, rows, out=np.zeros_like(hits), where=rows > 0)
    return float(positives @ precision / hits[-1])


def _over_classes(y: Labels, predictions: Predictions, one: Callable[[Floats, Floats], float]) -> Weighted:
    probabilities, truth = _probabilities(y, predictions)
    _at_least_two(truth)
    binary = len(_classes(predictions)) == 2 and truth.max() < 2
    codes = [1] if binary else np.unique(truth).tolist()
    rankings = [(Ranking(probabilities[:, code]), truth == code) for code in codes]

    def value(weight: Floats) -> float:
        values = np.array([one(*ranking.groups(weight * positive, weight)) for ranking, positive in rankings])
        defined = values[~np.isnan(values)]
        return float(defined.mean()) if len(defined) else np.nan

    return value


def _classes(predictions: Predictions) -> tuple[str, ...]:
    if predictions.classes is None:
        raise Undefined("predictions of numbers have no classes")
    return predictions.classes


def _codes(y: Labels, predictions: Predictions) -> tuple[Codes, Codes, int]:
    """Labels and predicted classes as positions, labels unknown to the predictions behind the known ones."""
    classes = _classes(predictions)
    labels = [str(label) for label in y.tolist()]
    names = (*classes, *sorted(set(labels) - set(classes)))
    return label_codes(labels, names), label_codes(predictions.values, names), len(names)


def _probabilities(y: Labels, predictions: Predictions) -> tuple[Floats, Codes]:
    """Probabilities, with a column of zeros for each unknown label; and the labels as positions."""
    if predictions.probabilities is None:
        raise Undefined("the estimator gives no probabilities")
    truth, _, size = _codes(y, predictions)
    extra = size - predictions.probabilities.shape[1]
    if not extra:
        return predictions.probabilities, truth
    return np.pad(predictions.probabilities, ((0, 0), (0, extra))), truth


def _at_least_two(truth: Codes) -> None:
    if len(truth) == 0 or np.all(truth == truth[0]):
        raise Undefined("the labels are all of one class")
