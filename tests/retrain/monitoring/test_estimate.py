"""Performance without labels: estimates follow covariate shift, raise no false alarms, and know their limits."""

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from retrain.metrics.metric import Metric
from retrain.metrics.registry import MetricContext, get_metric
from retrain.monitoring.estimate import ASSUMES, estimate_performance, fit_estimate
from retrain.monitoring.estimate.class_scores import OF_CLASSES
from retrain.monitoring.estimate.error_scores import OF_NUMBERS
from retrain.monitoring.estimate.trees import _fallen, _grown, _inputs
from retrain.records.predictions import Predictions
from retrain.records.settings import METRICS

pytestmark = pytest.mark.xdist_group("estimate")  # what they share is made once

CLASSES = ("a", "b", "c")
TRIALS = 40
NAMES = {task: [name for name in names if name != "cost"] for task, names in METRICS.items()}
"""What answers cost is not estimated."""


def _metric(task: str, name: str) -> Metric:
    return get_metric(name, MetricContext(task, initial_median=0.0))


def _classified(rows: int, seed: int, shift: float = 0.0, k: int = 2, flipped: float = 0.0) -> tuple[Any, Predictions]:
    """Labels, and what an overconfident model of k classes says; `shift` moves the features, a share `flipped`
    of the labels has left them."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(shift, 1.5, rows)
    logits = np.stack([c * signal - 0.5 * c**2 for c in range(k)], axis=1)
    likely = _softmax(logits)
    codes = (rng.random(rows)[:, None] > np.cumsum(likely, axis=1)[:, :-1]).sum(axis=1)
    codes = np.where(rng.random(rows) < flipped, rng.integers(0, k, rows), codes)
    said = _softmax(1.8 * logits + rng.normal(0, 0.3, (rows, k)))
    names = np.array(CLASSES[:k])
    return names[codes], Predictions(names[said.argmax(axis=1)], said, CLASSES[:k])


def _softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _numbers(rows: int, seed: int, shift: float = 0.0, noise: float = 1.0) -> tuple[Any, Predictions, Any]:
    """Labels, what a model says, and the features: errors grow with the second one, some of it is missing."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(shift, 1, (rows, 3))
    y = matrix[:, 0] + noise * rng.normal(size=rows) * np.exp(0.5 * matrix[:, 1])
    said = 0.8 * matrix[:, 0]
    matrix[rng.random(rows) < 0.05, 2] = np.nan
    return y, Predictions(said), matrix


def _made(task: str, rows: int, seed: int, shift: float = 0.0) -> tuple[Any, Predictions, Any]:
    return _numbers(rows, seed, shift) if task == "regression" else (*_classified(rows, seed, shift), None)


@cache
def _fitted(task: str, trial: int) -> dict[str, Any]:
    """What is fitted to a trial's rows before any shift: of all metrics, so it is fitted once."""
    y, said, matrix = _made(task, 600, 2 * trial)
    return fit_estimate(task, y, said, matrix, trial, initial_median=0.0)


def _trials(task: str, name: str, shift: float) -> list[tuple[dict[str, Any], float]]:
    """Estimates for rows of fresh trials, with the value that their labels give."""
    metric, found = _metric(task, name), []
    for trial in range(TRIALS):
        fitted = _fitted(task, trial)
        y, said, matrix = _made(task, 500, 2 * trial + 1, shift)
        realised = metric.score(y, said)
        assert realised is not None
        found.append((estimate_performance(metric, fitted, said, matrix), realised))
    return found


@pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task in ("classification", "regression") for name in NAMES[task]]
)
def test_known_labels_give_the_metric_itself(task: str, name: str) -> None:
    """Where the labels are certain, what is expected of a metric is the metric, also with weights."""
    rng = np.random.default_rng(1)
    weight = rng.integers(0, 4, 300).astype(float)
    if task == "classification":
        y, said = _classified(300, 3, k=3)
        beliefs, score = (y[:, None] == np.array(CLASSES)).astype(float), OF_CLASSES[name](said)
    else:
        y, said, _ = _numbers(300, 3)
        errors = y - said.values
        beliefs, score = np.stack([np.abs(errors), errors**2, errors, np.abs(y)], axis=1), OF_NUMBERS[name](said)
    expected = _metric(task, name).score(y, said, weight)
    assert score(beliefs, weight) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("task", "name", "shift", "drops"),
    [
        ("classification", "accuracy", 1.5, False), ("classification", "balanced_accuracy", 3.0, True),
        ("classification", "roc_auc", 1.0, False), ("classification", "log_loss", 1.5, False),
        ("regression", "mae", 0.7, True), ("regression", "rmse", 0.7, True), ("regression", "r2", 0.7, True),
    ],
)  # fmt: skip
def test_estimates_follow_a_shift_of_the_features(task: str, name: str, shift: float, drops: bool) -> None:
    """The realised metric lies in the interval of nearly all trials, and a loss that is real is mostly told."""
    found = _trials(task, name, shift)
    inside = [told["interval"][0] <= realised <= told["interval"][1] for told, realised in found]
    assert np.mean(inside) >= 0.85
    alarms = np.mean([told["p_value"] < 0.05 for told, _ in found])
    assert alarms > 0.5 if drops else alarms < 0.1


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_rows_of_the_same_kind_are_no_drop(task: str) -> None:
    """Without a shift at most 5 % of trials see a drop at the checks' rate of false alarms, and most intervals hold."""
    for name in ("accuracy", "roc_auc", "f1_macro") if task == "classification" else ("mae", "rmse"):
        found = _trials(task, name, 0.0)
        assert np.mean([told["p_value"] < 0.01 for told, _ in found]) <= 0.05
        assert np.mean([told["interval"][0] <= value <= told["interval"][1] for told, value in found]) >= 0.85
        assert all(told["estimate"] and told["assumes"] == ASSUMES and told["reason"] is None for told, _ in found)


def test_the_reference_is_honest() -> None:
    """The estimate for the held-out rows themselves is near what their labels give, for a model that knows nothing."""
    rng = np.random.default_rng(5)
    given = rng.random((1000, 1))
    said = Predictions(np.where(given[:, 0] > 0.5, "b", "a"), np.hstack([1 - given, given]), ("a", "b"))
    fitted = fit_estimate("classification", rng.choice(["a", "b"], 1000), said, None, 0)
    assert fitted["reference"]["accuracy"]["value"] == pytest.approx(0.5, abs=0.05)
    assert fitted["reference"]["roc_auc"]["value"] == pytest.approx(0.5, abs=0.06)


def test_concept_drift_is_not_seen() -> None:
    """The known limit: labels that left the features behind change the metric and not the estimate."""
    fitted = fit_estimate("classification", *_classified(1000, 1), None, 0)
    y, said = _classified(1000, 2, flipped=0.6)
    metric = _metric("classification", "accuracy")
    told, realised = estimate_performance(metric, fitted, said, None), metric.score(y, said)
    assert realised is not None and told["value"] - realised > 0.1 and told["p_value"] > 0.01
    assert "has not changed" in told["assumes"]
    y, numbers, matrix = _numbers(1000, 1)
    fitted = fit_estimate("regression", y, numbers, matrix, 0)
    y, numbers, matrix = _numbers(1000, 2, noise=3.0)
    told = estimate_performance(_metric("regression", "mae"), fitted, numbers, matrix)
    worse = _metric("regression", "mae").score(y, numbers)
    assert worse is not None and worse > 2 * told["value"] and told["p_value"] > 0.01


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_stored_as_json_it_says_the_same(task: str) -> None:
    """A stored estimate is plain JSON of modest size and gives the same numbers, bit by bit."""
    fitted = fit_estimate(task, *_made(task, 1000, 1), 7, initial_median=0.0)
    text = json.dumps(fitted, allow_nan=False)
    assert len(text) < 400_000 and fit_estimate(task, *_made(task, 1000, 1), 7, initial_median=0.0) == fitted
    _, said, matrix = _made(task, 300, 2, 0.5)
    for name in NAMES[task]:
        told = estimate_performance(_metric(task, name), fitted, said, matrix)
        assert told == estimate_performance(_metric(task, name), json.loads(text), said, matrix)
        assert told["method"] == ("DLE" if task == "regression" else "CBPE") and told["rows"] == 300
        json.dumps(told, allow_nan=False)


def test_three_classes() -> None:
    """Every metric of three classes is estimated near its value."""
    fitted = fit_estimate("classification", *_classified(1500, 1, k=3), None, 0)
    y, said = _classified(1500, 2, 0.5, k=3)
    for name in NAMES["classification"]:
        metric = _metric("classification", name)
        told = estimate_performance(metric, fitted, said, None)
        assert told["value"] == pytest.approx(metric.score(y, said), abs=0.05), name
        assert 0 < told["se"] < 0.1 and told["drop_se"] > 0


def test_held_out_rows_that_allow_no_estimate() -> None:
    """Few rows, one class, and no probabilities are a reason and never a number."""
    y, said = _classified(300, 1)
    few = fit_estimate("classification", y[:49], said.take(slice(49)), None, 0)
    single = fit_estimate("classification", np.array(["a"] * 300), said, None, 0)
    blind = fit_estimate("classification", y, Predictions(said.values, None, said.classes), None, 0)
    number = fit_estimate("regression", np.full(300, np.nan), Predictions(np.zeros(300)), None, 0)
    reasons = (
        (few, "only 49 held-out rows; 50 are needed to estimate"),
        (single, "the held-out labels are all of one class"),
        (blind, "the estimator gives no probabilities"),
        (number, "only 0 held-out rows; 50 are needed to estimate"),
    )
    for fitted, reason in reasons:
        told = estimate_performance(_metric("classification", "accuracy"), fitted, said, None)
        assert told["value"] is None and told["interval"] is None and told["p_value"] is None
        assert told["reason"] == reason and told["estimate"]


def test_what_cannot_be_estimated_has_a_reason() -> None:
    """A metric of the user's, other classes, other features, no rows: None and why."""
    fitted = fit_estimate("classification", *_classified(300, 1), None, 0)
    _, said = _classified(200, 2)
    own = Metric("mine.py:gain", True, False, lambda y, p: lambda weight: 0.0)
    accuracy = _metric("classification", "accuracy")
    without = Predictions(said.values, None, said.classes)
    found = {
        estimate_performance(own, fitted, said, None)["reason"],
        estimate_performance(accuracy, fitted, _classified(200, 2, k=3)[1], None)["reason"],
        estimate_performance(accuracy, fitted, without, None)["reason"],
        estimate_performance(accuracy, fitted, said.take(slice(0)), None)["reason"],
        estimate_performance(accuracy, fitted | {"format": 9}, said, None)["reason"],
    }
    assert found == {
        "mine.py:gain cannot be estimated without labels",
        "the estimate was fitted on other classes than these",
        "the estimator gives no probabilities",
        "no rows",
        "estimate format 9; this driftd reads format 1",
    }
    y, numbers, matrix = _numbers(300, 1)
    trees = fit_estimate("regression", y, numbers, matrix, 0)
    told = estimate_performance(_metric("regression", "mae"), trees, numbers, None)
    assert told["value"] is None and told["reason"] == "0 features; the estimate was fitted on 3"
    told = estimate_performance(_metric("regression", "mae_skill"), trees, numbers, matrix)
    assert told["value"] is None and told["reason"] == "mae_skill cannot be estimated without labels"


def test_few_rows_tell_no_drop() -> None:
    """Below 50 rows the value and its wide interval are told, the drop is not judged; one row has no interval."""
    fitted = fit_estimate("classification", *_classified(500, 1), None, 0)
    _, said = _classified(30, 2)
    told = estimate_performance(_metric("classification", "accuracy"), fitted, said, None)
    assert told["value"] is not None and told["drop"] is not None and told["p_value"] is None
    assert told["reason"] == "only 30 rows; 50 are needed to tell a drop" and told["se"] > 0.04
    one = estimate_performance(_metric("classification", "accuracy"), fitted, said.take(slice(1)), None)
    assert one["value"] is not None and one["se"] is None and one["interval"] is None
    area = estimate_performance(_metric("classification", "roc_auc"), fitted, said.take(slice(1)), None)
    assert area["value"] is None and "undefined" in area["reason"]


def test_many_rows_are_looked_at_evenly() -> None:
    """Large files are estimated from a part of their rows, and say how many there were."""
    fitted = fit_estimate("classification", *_classified(30_000, 1), None, 0)
    y, said = _classified(50_000, 2)
    metric = _metric("classification", "accuracy")
    told = estimate_performance(metric, fitted, said, None)
    assert fitted["rows"] == 20_000 and told["rows"] == 50_000
    assert told["value"] == pytest.approx(metric.score(y, said), abs=0.01)


def test_labels_that_the_model_does_not_know_are_left_out() -> None:
    """New classes and labels that are not finite are not learned from."""
    y, said = _classified(400, 1)
    fitted = fit_estimate("classification", np.where(np.arange(400) < 100, "new", y), said, None, 0)
    assert fitted["rows"] == 300 and fitted["reason"] is None
    y, numbers, matrix = _numbers(400, 1)
    y[:100], matrix[:9, 0] = np.inf, 1e300
    fitted = fit_estimate("regression", y, numbers, matrix, 0)
    assert (
        fitted["rows"] == 300 and estimate_performance(_metric("regression", "mae"), fitted, numbers, matrix)["value"]
    )


def test_a_constant_model_is_estimated() -> None:
    """Predictions that are all the same have one share of the class and one size of error."""
    rng = np.random.default_rng(3)
    said = Predictions(np.full(200, "a"), np.tile([0.9, 0.1], (200, 1)), ("a", "b"))
    fitted = fit_estimate("classification", rng.choice(["a", "b"], 200, p=[0.7, 0.3]), said, None, 0)
    assert estimate_performance(_metric("classification", "accuracy"), fitted, said, None)["value"] == pytest.approx(
        0.7, abs=0.1
    )
    numbers = Predictions(np.zeros(200))
    fitted = fit_estimate("regression", rng.normal(size=200), numbers, None, 0)
    assert estimate_performance(_metric("regression", "rmse"), fitted, numbers, None)["value"] == pytest.approx(
        1, abs=0.2
    )


def test_stored_trees_answer_as_they_were_grown() -> None:
    """The arrays of a tree give what scikit-learn gives, also for missing values."""
    y, said, matrix = _numbers(600, 4)
    inputs, moments = _inputs(said, matrix), np.stack([np.abs(y), y**2, y, y], axis=1)
    tree = _grown(inputs, moments, np.ones(600, np.int64), 0)
    scale = moments.std(axis=0)
    grown = DecisionTreeRegressor(max_leaf_nodes=16, min_samples_leaf=20, random_state=0).fit(inputs, moments / scale)
    fresh = _inputs(*_numbers(200, 5)[1:])
    fresh[::7, 1] = np.nan
    np.testing.assert_allclose(_fallen(tree, fresh), grown.predict(fresh) * scale)


@pytest.mark.parametrize("missing", [0.01, 0.1, 0.3])
def test_missing_features_leave_the_estimate_storable(missing: float) -> None:
    """A split of missing values against all others has an infinite threshold in scikit-learn, which JSON has not: the
    stored trees tell the same of every row."""
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(400, 3))
    matrix[rng.random(matrix.shape) < missing] = np.nan
    y = np.nan_to_num(matrix[:, 0]) + 5 * np.isnan(matrix[:, 1]) + rng.normal(0, 0.2, 400)
    fitted = fit_estimate("regression", y, Predictions(np.nan_to_num(matrix[:, 0])), matrix, 0, initial_median=0.0)
    stored = json.loads(json.dumps(fitted, allow_nan=False))
    said = Predictions(y)
    told = [estimate_performance(_metric("regression", "mae"), one, said, matrix) for one in (fitted, stored)]
    assert told[0] == told[1]
