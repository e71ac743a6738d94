"""The thin layer over a served version that follows the labels without training: shifts of what it says.

Classification: offsets of the log-probabilities, as a changed share of the classes asks for (Saerens et al. 2002), and,
where the metric is balanced accuracy, the decision for the class of the largest probability over share, which is what
that metric rewards. Regression: a line in the prediction. All are shrunk towards doing nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from retrain.model.decision import Decision
from retrain.records.predictions import Floats, Labels, Predictions, label_codes

SHRINK_ROWS = 10.0
SHRINK_LINE_ROWS = 60.0
LARGEST = 1.5
STEPS = 8
SMALLEST_PROBABILITY = 1e-3
SHARE_ROWS = 5.0
SMALLEST_SHARE = 0.01


@dataclass(frozen=True)
class Recalibration:
    """Classes: `offset` is added to the log-probabilities, `decision` only where the class is chosen. Numbers (no
    classes): the prediction p becomes p + `intercept` + `slope` · p. A configured `rule` chooses in place of
    `decision`."""

    classes: tuple[str, ...] | None = None
    offset: tuple[float, ...] = ()
    decision: tuple[float, ...] = ()
    rule: Decision | None = None
    intercept: float = 0.0
    slope: float = 0.0

    def apply(self, predictions: Predictions) -> Predictions:
        """What is answered in place of `predictions`, of n rows; classes that it does not know keep their probability.

        >>> Recalibration(intercept=1.0, slope=0.5).apply(Predictions(np.array([2.0]))).values
        array([4.])
        """
        if predictions.classes is None:
            if not self.intercept and not self.slope:
                return predictions
            return Predictions(predictions.values + self.intercept + self.slope * predictions.values)
        if predictions.probabilities is None or not (self.offset or self.decision or self.rule):
            return predictions
        offset, decision = (self._aligned(part, predictions.classes) for part in (self.offset, self.decision))
        probabilities = softened(predictions.probabilities, offset) if self.offset else predictions.probabilities
        if self.rule is not None:
            chosen = self.rule.choose(probabilities, predictions.classes)
        else:
            with np.errstate(divide="ignore"):
                chosen = (np.log(probabilities) + decision).argmax(axis=1)
        return Predictions(np.array(predictions.classes)[chosen], probabilities, predictions.classes)

    def _aligned(self, part: tuple[float, ...], classes: tuple[str, ...]) -> Floats:
        """Its numbers by class in the order of `classes`, 0 for those that it does not know."""
        known = dict(zip(self.classes or (), part, strict=False))
        return np.array([known.get(name, 0.0) for name in classes])

    def decided(self, classes: tuple[str, ...]) -> Floats:
        """The weights of the decision in the order of `classes`."""
        return self._aligned(self.decision, classes)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        if self.classes is None:
            return {"intercept": self.intercept, "slope": self.slope}
        rule = {} if self.rule is None else {"rule": self.rule.to_json()}
        return {"classes": list(self.classes), "offset": list(self.offset), "decision": list(self.decision)} | rule

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> "Recalibration | None":
        """The inverse of `to_json`; None of None."""
        return None if value is None else msgspec.convert(value, cls)


def decision_for(shares: Mapping[str, float], classes: tuple[str, ...]) -> Recalibration:
    """The decision that balanced accuracy rewards where the classes have these shares (Bayes; Elkan 2001)."""
    weights = tuple(float(-np.log(max(shares.get(name, 0.0), SMALLEST_SHARE))) for name in classes)
    return Recalibration(classes, (), weights)


def class_shares(y: Labels, before: Mapping[str, float]) -> dict[str, float]:
    """Shares of the classes among labels y (n,), shrunk to `before` as if these were 5 rows more."""
    names, counts = np.unique(y.astype(np.str_), return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    total = len(y) + SHARE_ROWS * sum(before.values())
    keys = sorted({*found, *before})
    return {name: (found.get(name, 0) + SHARE_ROWS * before.get(name, 0.0)) / total for name in keys}


def fit_line(predictions: Floats, y: Floats) -> Recalibration:
    """Median shift and shrunken slope of the errors on the predictions, both (n,)."""
    errors, centred = y - predictions, predictions - predictions.mean()
    shrunk = len(y) / (len(y) + SHRINK_LINE_ROWS)
    slope = float(np.clip(shrunk * (centred @ errors) / (centred @ centred + 1e-9), -0.5, 0.5))
    middle = float(np.median(errors - slope * centred))
    return Recalibration(intercept=shrunk * middle - slope * float(predictions.mean()), slope=slope)


def fit_offsets(predictions: Predictions, y: Labels, decision: Recalibration | None) -> Recalibration:
    """Offsets of maximal penalized likelihood on n rows. With a `decision` they are fitted to classes of equal weight,
    after it, and move only the decision; a configured rule decides by the probabilities that they give."""
    assert predictions.classes is not None and predictions.probabilities is not None
    truth = label_codes(y, predictions.classes)
    rule = None if decision is None else decision.rule
    if rule is not None:
        return replace(fit_offsets(predictions, y, None), rule=rule)
    known = truth >= 0
    probabilities, truth = predictions.probabilities[known], truth[known]
    if not len(truth):
        return decision or Recalibration(predictions.classes, (0.0,) * len(predictions.classes))
    weight = np.ones(len(truth))
    if decision is not None:
        counts = np.bincount(truth, minlength=len(predictions.classes))
        weight = (len(truth) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[truth]
        probabilities = softened(probabilities, decision.decided(predictions.classes))
    offset = _newton(probabilities, truth, weight)
    if decision is None:
        return Recalibration(predictions.classes, tuple(offset.tolist()))
    return Recalibration(predictions.classes, (), tuple((decision.decided(predictions.classes) + offset).tolist()))


def softened(probabilities: Floats, offset: Floats) -> Floats:
    """Probabilities (n, k) after their logarithms were moved by `offset` (k,)."""
    logs = np.log(np.clip(probabilities, SMALLEST_PROBABILITY, 1.0)) + offset
    raised = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)


def _newton(probabilities: Floats, truth: Any, weight: Floats) -> Floats:
    """Newton's steps with the whole matrix of second derivatives, none longer than the largest offset: with its
    diagonal alone, steps of two classes are twice as long as they may be."""
    classes = probabilities.shape[1]
    offset, target = np.zeros(classes), np.eye(classes)[truth]
    for _ in range(STEPS):
        given = softened(probabilities, offset)
        slope = weight @ (given - target) + SHRINK_ROWS * offset
        bend = np.diag(weight @ given + SHRINK_ROWS) - (given * weight[:, None]).T @ given
        offset = offset - np.clip(np.linalg.solve(bend, slope), -LARGEST, LARGEST)
        offset -= offset.mean()
    return np.clip(offset, -LARGEST, LARGEST)
