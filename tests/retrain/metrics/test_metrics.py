"""Every metric against scikit-learn, with weights, unknown labels and resampling."""

import numpy as np
import pytest
from sklearn import metrics as reference

from retrain.metrics.registry import MetricContext, default_metric, get_metric
from retrain.metrics.resampling import Resampled, block_counts, bootstrap_scores, standard_error
from retrain.records.errors import Refused
from retrain.records.predictions import Predictions
from retrain.records.settings import METRICS as NAMES

CONTEXTS = {
    "classification": MetricContext("classification", costs=(("b", "", 3.0),)),
    "regression": MetricContext("regression", initial_median=0.5),
}
EVERY = [(task, name) for task, names in NAMES.items() for name in names if task in CONTEXTS]


def _classified(
    n: int = 300, classes: tuple[str, ...] = ("a", "b"), seed: int = 0
) -> tuple[np.ndarray, Predictions, np.ndarray]:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(len(classes)), n).round(2)
    probabilities = np.maximum(probabilities, 0.01)  # a surprise of probability 0 has no finite variance
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    drawn = [rng.choice(len(classes), p=0.6 * p + 0.4 / len(classes)) for p in probabilities]
    values = np.array(classes)[probabilities.argmax(axis=1)]
    return np.array(classes)[drawn].astype(object), Predictions(values, probabilities, classes), rng.uniform(0.1, 2, n)


def _numbers(n: int = 300, seed: int = 0) -> tuple[np.ndarray, Predictions, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    return y, Predictions(y + rng.normal(size=n)), rng.uniform(0.1, 2, n)


def _case(task: str) -> tuple[np.ndarray, Predictions, np.ndarray]:
    return _classified() if task == "classification" else _numbers()


def _sklearn(name: str, y: np.ndarray, p: Predictions, w: np.ndarray) -> float:
    one = None if p.probabilities is None else p.probabilities[:, 1]
    functions = {
        "balanced_accuracy": lambda: reference.balanced_accuracy_score(y, p.values, sample_weight=w),
        "accuracy": lambda: reference.accuracy_score(y, p.values, sample_weight=w),
        "roc_auc": lambda: reference.roc_auc_score(y == "b", one, sample_weight=w),
        "average_precision": lambda: reference.average_precision_score(y == "b", one, sample_weight=w),
        "f1_macro": lambda: reference.f1_score(y, p.values, average="macro", sample_weight=w),
        "log_loss": lambda: reference.log_loss(y, p.probabilities, sample_weight=w, labels=list(p.classes)),
        "brier": lambda: reference.brier_score_loss(y == "b", one, sample_weight=w),
        "cost": lambda: float(np.average(np.where(y == p.values, 0.0, np.where(y == "b", 3.0, 1.0)), weights=w)),
        "mae": lambda: reference.mean_absolute_error(y, p.values, sample_weight=w),
        "rmse": lambda: reference.root_mean_squared_error(y, p.values, sample_weight=w),
        "r2": lambda: reference.r2_score(y, p.values, sample_weight=w),
        "mae_skill": lambda: 1 - np.average(abs(y - p.values), weights=w) / np.average(abs(y - 0.5), weights=w),
    }  # fmt: skip
    return float(functions[name]())


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_metric_equals_scikit_learn(task, name):
    """Each metric is scikit-learn's, with and without weights, ties included."""
    y, predictions, weight = _case(task)
    metric = get_metric(name, CONTEXTS[task])
    assert metric.name == name
    assert metric.score(y, predictions, weight) == pytest.approx(_sklearn(name, y, predictions, weight), rel=1e-9)
    assert metric.score(y, predictions) == pytest.approx(_sklearn(name, y, predictions, np.ones(len(y))), rel=1e-9)


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_weights_count_rows(task, name):
    """A row of weight 2 counts as two rows, of weight 0 as none."""
    y, predictions, _ = _case(task)
    times = np.random.default_rng(1).integers(0, 3, len(y))
    metric, repeated = get_metric(name, CONTEXTS[task]), np.repeat(np.arange(len(y)), times)
    weighted = metric.score(y, predictions, times.astype(np.float64))
    assert weighted == pytest.approx(metric.score(y[repeated], predictions.take(repeated)), rel=1e-9)


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_row_values_average_to_the_metric(task, name):
    """Where a metric has row values, their weighted mean is the metric."""
    y, predictions, weight = _case(task)
    metric = get_metric(name, CONTEXTS[task])
    values = metric.row_values(y, predictions)
    if values is not None:
        assert np.average(values, weights=weight) == pytest.approx(metric.score(y, predictions, weight))


@pytest.mark.parametrize("name", NAMES["classification"])
@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c")])
def test_labels_of_unknown_classes_are_scored(name, classes):
    """Labels that the predictions do not know cost score and never crash."""
    y, predictions, _ = _classified(classes=classes)
    metric = get_metric(name, CONTEXTS["classification"])
    before = metric.score(y, predictions)
    changed = y.copy()
    changed[::4] = "new"
    after = metric.score(changed, predictions)
    assert after is not None
    if name != "average_precision":
        assert metric.improvement(before, after) < 0
    assert metric.score(np.full(len(y), "new", object), predictions) is None or name not in (
        "roc_auc",
        "balanced_accuracy",
    )


def test_multiclass_auc_is_the_macro_mean():
    """More than two classes: the mean of each class against the rest, as scikit-learn has it."""
    y, predictions, _ = _classified(classes=("a", "b", "c"))
    expected = reference.roc_auc_score(y, predictions.probabilities, multi_class="ovr", labels=["a", "b", "c"])
    assert get_metric("roc_auc", CONTEXTS["classification"]).score(y, predictions) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["balanced_accuracy", "roc_auc", "average_precision"])
def test_one_class_is_undefined_with_a_reason(name):
    """A batch of one class has no value, and says why."""
    _, predictions, _ = _classified()
    value = get_metric(name, CONTEXTS["classification"]).evaluate(np.full(300, "a"), predictions)
    assert value.value is None
    assert "one class" in value.reason


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_no_rows_is_undefined(task, name):
    """Nothing labelled: no value, no standard error, no crash."""
    y, predictions, _ = _case(task)
    metric = get_metric(name, CONTEXTS[task])
    assert metric.evaluate(y[:0], predictions.take(slice(0, 0))).value is None
    assert standard_error(metric, y[:0], predictions.take(slice(0, 0))) is None


@pytest.mark.parametrize("name", NAMES["classification"])
def test_without_probabilities(name):
    """Metrics of probabilities are undefined with a reason where the estimator gives none; others work."""
    y, predictions, _ = _classified()
    value = get_metric(name, CONTEXTS["classification"]).evaluate(y, Predictions(predictions.values, None, ("a", "b")))
    needs = get_metric(name, CONTEXTS["classification"]).needs_probabilities
    assert (value.value is None) == needs
    assert ("probabilities" in value.reason) == needs


@pytest.mark.parametrize(("task", "name"), EVERY)
def test_standard_error_is_the_spread_of_fresh_samples(task, name):
    """The standard error agrees with the scatter over fresh samples within a factor."""
    make = _classified if task == "classification" else _numbers
    metric = get_metric(name, CONTEXTS[task])
    scores = [metric.score(*make(seed=seed)[:2]) for seed in range(40)]
    y, predictions, _ = make(seed=99)
    assert 0.6 < standard_error(metric, y, predictions, seed=1) / np.std(scores) < 1.6


def test_standard_error_is_seeded():
    """The same seed gives the same error, bit by bit."""
    y, predictions, _ = _classified()
    metric = get_metric("roc_auc", CONTEXTS["classification"])
    first, again, other = (standard_error(metric, y, predictions, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_bootstrap_is_paired():
    """Two candidates see the same resamples: the difference of equal ones is exactly zero."""
    y, predictions, _ = _classified()
    metric = get_metric("balanced_accuracy", CONTEXTS["classification"])
    scores = bootstrap_scores(metric, y, [predictions, predictions], n_boot=30)
    assert scores.shape == (30, 2)
    assert np.array_equal(scores[:, 0], scores[:, 1])


@pytest.mark.parametrize("name", ["balanced_accuracy", "accuracy"])
def test_rows_drawn_once_for_several_give_the_errors_of_rows_drawn_for_each(name):
    """Bit by bit, of a mean of rows too; and one whose metric is undefined takes nothing from the others."""
    y, one, _ = _classified()
    other = _classified(seed=3)[1]
    metric, unknown = get_metric(name, CONTEXTS["classification"]), Predictions(np.zeros(len(y)))
    resampled = Resampled(metric, y, [one, other] + ([unknown] if name == "balanced_accuracy" else []), seed=5)
    assert [resampled.error(each) for each in (one, other)] == [
        standard_error(metric, y, each, seed=5) for each in (one, other)
    ]
    apart = Resampled(metric, y, [other, one], seed=5).error_of_difference(one, other)
    assert resampled.error_of_difference(one, other) == apart > 0
    if name == "balanced_accuracy":
        assert resampled.error(unknown) is None is resampled.error_of_difference(one, unknown)


def test_blocks_are_consecutive_rows():
    """A resample draws whole blocks, wrapping around, and as many rows as there are (rounded up to a block)."""
    counts = block_counts(10, np.random.default_rng(0), length=4)
    assert counts.sum() == 12
    drawn = [np.roll(np.r_[np.ones(4), np.zeros(6)], start) for start in np.random.default_rng(0).integers(0, 10, 3)]
    np.testing.assert_array_equal(counts, np.sum(drawn, axis=0))


def test_defaults():
    """Balanced accuracy; ROC AUC below a minority share of 20 %; the MAE skill score for numbers."""
    assert default_metric("classification", np.array(["a"] * 8 + ["b"] * 2)) == "balanced_accuracy"
    assert default_metric("classification", np.array(["a"] * 9 + ["b"] * 2)) == "roc_auc"
    assert default_metric("classification", np.array(["a"] * 90 + ["b"] * 5 + ["c"] * 5)) == "balanced_accuracy"
    assert default_metric("regression", np.arange(5.0)) == "mae_skill"
    assert get_metric("relative_mae", CONTEXTS["regression"]).name == "mae_skill"  # as versions of before recorded it


def test_unknown_metric_is_refused_with_the_known_ones():
    """The message lists what was expected for the task."""
    with pytest.raises(Refused, match=r"mae.*mae_skill"):
        get_metric("roc_auc", CONTEXTS["regression"])


USER = """
def cost(y_true, y_pred, sample_weight):
    return float((sample_weight * (y_true != y_pred)).sum() / sample_weight.sum())
cost.greater_is_better = False

def plain(y_true, y_pred):
    return float((y_true == y_pred).mean())
plain.greater_is_better = True

def sure(y_true, y_pred, sample_weight):
    return float(y_pred.mean())
sure.needs_probabilities = sure.greater_is_better = True

def undefined(y_true, y_pred):
    raise ValueError("nothing to compare")
undefined.greater_is_better = False

def ends(y, predictions, weight=None):
    raise SystemExit(3)
ends.greater_is_better = False

def broken(y_true, y_pred):
    return [1, 2]
broken.greater_is_better = False

def silent(y_true, y_pred):
    return 1.0

def unclear(y_true, y_pred):
    return 1.0
unclear.greater_is_better = "no"
"""


@pytest.fixture
def users(tmp_path):
    (tmp_path / "my metrics.py").write_text(USER)
    return lambda name: get_metric(f"my metrics.py:{name}", MetricContext("classification", folder=tmp_path))


def test_user_metric(users):
    """A function of the user's is called with labels, predictions and weights as documented."""
    y, predictions, weight = _classified()
    accuracy = get_metric("accuracy", CONTEXTS["classification"])
    assert users("cost").score(y, predictions, weight) == pytest.approx(1 - accuracy.score(y, predictions, weight))
    assert not users("cost").greater_is_better
    assert users("sure").score(y, predictions) == pytest.approx(predictions.probabilities[:, 1].mean())
    assert users("plain").score(y, predictions) == pytest.approx(accuracy.score(y, predictions))
    expected = standard_error(accuracy, y, predictions)
    assert 0.5 < standard_error(users("plain"), y, predictions) / expected < 1.6


@pytest.mark.parametrize(
    ("name", "told"), [("silent", "does not say whether"), ("unclear", "has greater_is_better = 'no', which does not")]
)
def test_a_user_metric_says_which_direction_is_better(users, name, told):
    """Else a cost would be counted as a score and the worse model promoted; the refusal is what to write."""
    with pytest.raises(Refused, match=told) as caught:
        users(name)
    assert f"write `{name}.greater_is_better = False` below the function" in caught.value.hint


def test_user_metric_failures_have_names(users):
    """A ValueError is undefined, anything else that is wrong is refused with the file's name."""
    y, predictions, _ = _classified()
    assert users("undefined").evaluate(y, predictions).reason.endswith("nothing to compare")
    with pytest.raises(Refused, match="broken failed: TypeError"):
        users("broken").score(y, predictions)
    with pytest.raises(Refused, match="ends failed: SystemExit"):
        users("ends").score(y, predictions)
    with pytest.raises(Refused, match="no function 'absent'"):
        users("absent")
    with pytest.raises(Refused, match="there is no file"):
        get_metric("absent.py:f", CONTEXTS["regression"])
