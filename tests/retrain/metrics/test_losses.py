"""Row losses are in the metric's own unit: their paired mean difference is the difference of the metrics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrain.metrics.losses import row_losses
from retrain.metrics.metric import Metric
from retrain.metrics.registry import MetricContext, get_metric
from retrain.records.predictions import Predictions

CLASSES = ("no", "yes")
CLASSIFICATION = ("balanced_accuracy", "accuracy", "roc_auc", "log_loss", "brier", "f1_macro", "average_precision")


def said(seed: int, y: np.ndarray, skill: float) -> Predictions:
    """What a model of this skill says of labels."""
    rng = np.random.default_rng(seed)
    score = 1 / (1 + np.exp(-(skill * (y == "yes") - skill / 2 + rng.normal(size=len(y)))))
    matrix = np.column_stack([1 - score, score])
    return Predictions(np.array(CLASSES)[matrix.argmax(axis=1)], matrix, CLASSES)


def labels(seed: int, rows: int = 400, share: float = 0.3) -> np.ndarray:
    """Labels of which this share is yes."""
    return np.where(np.random.default_rng([seed, 7]).random(rows) < share, "yes", "no")


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_the_mean_difference_is_the_difference_of_the_metrics(name: str) -> None:
    """Exactly for means of rows, balanced accuracy and ROC AUC; to first order for every other metric."""
    metric = get_metric(name, MetricContext("classification"))
    y = labels(1)
    good, bad = said(2, y, 3.0), said(3, y, 1.0)
    losses = [row_losses(metric, y, one) for one in (good, bad)]
    assert losses[0] is not None and losses[1] is not None
    gain = metric.improvement(metric.score(y, bad) or 0.0, metric.score(y, good) or 0.0)
    exact = name not in ("f1_macro", "average_precision")
    assert (losses[1] - losses[0]).mean() == pytest.approx(gain, abs=1e-12 if exact else 0.02)


def test_a_metric_of_the_users_is_told_by_a_jackknife() -> None:
    """Any function of weighted rows has pseudo-values whose mean is close to it."""

    def bind(y, predictions):
        errors = (np.asarray(y, dtype=float) - predictions.values) ** 2
        return lambda weight: float(np.sqrt(weight @ errors / weight.sum()))

    metric = Metric("root", False, False, bind)
    rng = np.random.default_rng(0)
    y = rng.normal(size=500)
    near, far = Predictions(y + rng.normal(0, 0.5, 500)), Predictions(y + rng.normal(0, 1.0, 500))
    first, second = row_losses(metric, y, near), row_losses(metric, y, far)
    assert first is not None and second is not None
    assert (second - first).mean() == pytest.approx(0.5, abs=0.08)
    assert len(np.unique(first)) <= 20


@pytest.mark.parametrize("name", ["balanced_accuracy", "roc_auc", "f1_macro"])
def test_what_the_metric_cannot_judge_has_no_losses(name: str) -> None:
    """One class only, or no rows at all."""
    metric = get_metric(name, MetricContext("classification"))
    y = np.array(["no"] * 50)
    assert row_losses(metric, y[:0], said(1, y[:0], 1.0)) is None
    if name != "f1_macro":
        assert row_losses(metric, y, said(1, y, 1.0)) is None


@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_the_mean_loss_is_one_minus_the_metric(seed: int, share: float) -> None:
    """Of balanced accuracy and ROC AUC, whatever the labels, ties included."""
    y = labels(seed, 60, share)
    if len(set(y.tolist())) < 2:
        return
    spoken = said(seed, y, 1.0)
    assert spoken.probabilities is not None
    rounded = Predictions(spoken.values, np.round(spoken.probabilities, 1), CLASSES)
    for name in ("balanced_accuracy", "roc_auc"):
        metric = get_metric(name, MetricContext("classification"))
        found, value = row_losses(metric, y, rounded), metric.score(y, rounded)
        assert found is not None and value is not None
        assert found.mean() == pytest.approx(1 - value, abs=1e-12)
