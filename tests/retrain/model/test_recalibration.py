"""The layer that follows the labels without training: it helps where shares moved, and does nothing for nothing."""

import numpy as np
import pytest

from retrain.metrics.registry import MetricContext, get_metric
from retrain.model.recalibration import Recalibration, class_shares, decision_for, fit_line, fit_offsets
from retrain.records.predictions import Predictions

CLASSES = ("no", "yes")


def spoken(rng: np.random.Generator, rows: int, share: float, believed: float) -> tuple[np.ndarray, Predictions]:
    """Labels of this share of yes, and a calibrated model that was trained where it was `believed`."""
    y = rng.random(rows) < share
    evidence = rng.normal(np.where(y, 1.0, -1.0), 1.0)
    logit = 2 * evidence + np.log(believed / (1 - believed))
    p = 1 / (1 + np.exp(-logit))
    matrix = np.column_stack([1 - p, p])
    return np.where(y, "yes", "no"), Predictions(np.array(CLASSES)[matrix.argmax(axis=1)], matrix, CLASSES)


def test_offsets_follow_a_changed_share_of_the_classes() -> None:
    """The log loss on fresh rows falls; without a change it hardly moves."""
    rng = np.random.default_rng(0)
    metric = get_metric("log_loss", MetricContext("classification"))
    for believed, helps in ((0.5, True), (0.1, False)):
        layer = fit_offsets(*reversed(spoken(rng, 1000, 0.1, believed)), None)
        y, said = spoken(rng, 4000, 0.1, believed)
        plain, moved = metric.score(y, said), metric.score(y, layer.apply(said))
        assert plain is not None and moved is not None
        assert moved < plain - 0.05 if helps else moved < plain + 0.01


@pytest.mark.parametrize("rows", [100, 400, 4000])
@pytest.mark.parametrize("share", [0.1, 0.4, 0.6])
def test_offsets_of_unsure_probabilities_go_the_right_way(rows: int, share: float) -> None:
    """The mean probability comes near to the share, however many rows: steps never overshoot to the other side."""
    rng = np.random.default_rng(rows)
    given = rng.uniform(0.05, 0.4, rows)
    said = Predictions(np.full(rows, "no"), np.column_stack([1 - given, given]), CLASSES)
    y = np.where(rng.random(rows) < share, "yes", "no")
    moved = fit_offsets(said, y, None).apply(said).probabilities
    assert moved is not None and abs(moved[:, 1].mean() - (y == "yes").mean()) < (0.1 if rows == 100 else 0.05)


def test_the_decision_is_the_one_that_balanced_accuracy_rewards() -> None:
    """Where one class is rare, deciding by probability over share gives more of it; probabilities stay."""
    rng = np.random.default_rng(1)
    metric = get_metric("balanced_accuracy", MetricContext("classification"))
    y, said = spoken(rng, 4000, 0.1, 0.1)
    ruled = decision_for(class_shares(y, {"no": 0.5, "yes": 0.5}), CLASSES).apply(said)
    before, after = metric.score(y, said), metric.score(y, ruled)
    assert before is not None and after is not None and after > before + 0.05
    assert ruled.probabilities is not None and np.array_equal(ruled.probabilities, said.probabilities)


def test_a_line_takes_a_shift_of_numbers_back() -> None:
    """Most of a constant error goes; of ten rows only a part, since they prove little."""
    rng = np.random.default_rng(2)
    for rows, left in ((1000, 0.3), (10, 2.6)):
        said = rng.normal(size=rows)
        layer = fit_line(said, said + 3.0)
        assert np.abs(layer.apply(Predictions(said)).values - said - 3.0).mean() < left


@pytest.mark.parametrize(
    "layer",
    [
        Recalibration(intercept=0.5, slope=-0.1),
        Recalibration(CLASSES, (0.1, -0.1)),
        Recalibration(CLASSES, (), (0.3, 1.2)),
    ],
)
def test_json_gives_it_back(layer: Recalibration) -> None:
    """A deployment keeps it in the ledger."""
    assert Recalibration.from_json(layer.to_json()) == layer
    assert Recalibration.from_json(None) is None


def test_a_blend_may_know_more_classes_than_the_newest_version() -> None:
    """The decision of the newest version's classes is fitted on to those of the blend."""
    rng = np.random.default_rng(3)
    classes = ("a", "no", "yes")
    matrix = rng.dirichlet([1.0, 1.0, 1.0], 200)
    y = np.array(classes)[rng.integers(0, 3, 200)]
    found = fit_offsets(Predictions(y, matrix, classes), y, decision_for({"no": 0.7, "yes": 0.3}, CLASSES))
    assert found.classes == classes and len(found.decision) == 3


def test_classes_that_it_does_not_know_keep_their_probability() -> None:
    """A blend may know more classes than the rows that it was fitted on."""
    matrix = np.array([[0.2, 0.3, 0.5]])
    said = Predictions(np.array(["z"]), matrix, ("no", "yes", "z"))
    moved = Recalibration(CLASSES, (), (1.0, 0.0)).apply(said)
    assert moved.values.tolist() == ["no"] and moved.classes == ("no", "yes", "z")
