"""Labelled performance: a real drop is told, noise is not, and what is undefined has a reason."""

import numpy as np
import pytest

from retrain.metrics.registry import MetricContext, get_metric
from retrain.model.blend import blend, concatenate
from retrain.monitoring.drop import Evaluated, Score
from retrain.monitoring.performance import drop_p_value, measured, with_verdict
from retrain.records.predictions import Predictions
from retrain.records.settings import ModelSettings

SETTINGS = ModelSettings(data_dir="data", task="classification", target="y")
EVALUATED = Evaluated(Score(0.9, 0.01, 400), 0.4, (Score(0.9, 0.01, 1000), Score(0.91, 0.01, 1000)))


def _performance(right: float, rows: int, metric: str = "accuracy", labels: tuple[str, ...] = ("a", "b")) -> dict:
    """Of rows of which this share is right, the right ones spread evenly, after two files at nine tenths."""
    rng = np.random.default_rng(0)
    y = rng.choice(labels, rows)
    said = np.where(rng.random(rows) < right, y, np.where(y == "a", "b", "a"))
    found = get_metric(metric, MetricContext("classification"))
    told = measured(found, y, Predictions(said, None, ("a", "b")), 0)
    before = [{"value": 0.9, "se": 0.01, "rows": 1000, "blocks": 1.0}] * 2
    return with_verdict(told, before, EVALUATED, True, SETTINGS)


def test_a_drop_is_told_with_its_size() -> None:
    """A fall far beyond its standard errors and min_drop is a drop, against the level before."""
    result = _performance(0.5, 1000)
    assert result["dropped"] and result["p_value"] < 1e-4 and not result["holds"]
    assert result["drop"] == pytest.approx(0.9 - result["value"], abs=0.01) and result["rows"] == 1000
    assert result["reference"] == pytest.approx(0.9, abs=0.005) and result["earlier"] == 2


def test_the_same_level_is_no_drop() -> None:
    """A value at or above what was before is none, and its drop is 0, not below."""
    result = _performance(0.95, 1000)
    assert not result["dropped"] and result["drop"] == 0.0 and result["p_value"] > 0.5 and result["holds"]


def test_few_rows_tell_no_drop() -> None:
    """Below min_rows the value is told and the drop is not claimed."""
    result = _performance(0.0, 20)
    assert not result["dropped"] and result["value"] is not None and "only 20 labelled rows" in result["reason"]


def test_a_verdict_is_made_anew_from_what_was_measured() -> None:
    """What was told beside other files leaves nothing behind."""
    first = _performance(0.5, 1000)
    alone = with_verdict(first, (), None, True, SETTINGS)
    assert not alone["dropped"] and alone["reference"] is None and "nothing before it" in alone["reason"]
    again = with_verdict(
        alone, [{"value": 0.9, "se": 0.01, "rows": 1000, "blocks": 1.0}] * 2, EVALUATED, True, SETTINGS
    )
    assert again == first


def test_neighbours_that_err_together_make_a_metric_less_sure() -> None:
    """The variance by blocks is that of rows where these are independent, and many times that where errors come in
    runs of a hundred."""
    found, rng = get_metric("accuracy", MetricContext("classification")), np.random.default_rng(1)
    y = np.full(2000, "a")
    runs = {length: np.repeat(rng.random(2000 // length) < 0.3, length) for length in (1, 100)}
    blocks = {
        length: measured(found, y, Predictions(np.where(wrong, "b", "a"), None, ("a", "b")), 0)["blocks"]
        for length, wrong in runs.items()
    }
    assert 0.4 < blocks[1] < 1.8 and blocks[100] > 20


def test_one_class_only_is_undefined_with_a_reason() -> None:
    """A file of a single class has no balanced accuracy, and that is no drop."""
    result = _performance(0.5, 200, "balanced_accuracy", ("a",))
    assert result["value"] is None and result["reason"] and not result["dropped"]


def test_new_classes_are_told() -> None:
    """Labels that the champion never saw count as wrong, and are named."""
    result = _performance(0.0, 300, labels=("a", "b", "new"))
    assert result["notes"][0].startswith("the champion never saw these classes: 'new' (")


def test_p_values_of_drops() -> None:
    """The z-test is one-sided; without any spread a drop is certain."""
    assert drop_p_value(0.0, 0.1, 0.1) == 0.5 and drop_p_value(-1.0, 0.1, 0.1) > 0.99
    assert (drop_p_value(0.1, 0.0, 0.0), drop_p_value(0.0, 0.0, 0.0)) == (0.0, 1.0)


def test_blends_weigh_their_members() -> None:
    """Probabilities are the weighted mean over the union of classes; the likeliest class is the answer."""
    first = Predictions(np.array(["a"]), np.array([[0.6, 0.4]]), ("a", "b"))
    second = Predictions(np.array(["c"]), np.array([[0.1, 0.9]]), ("b", "c"))
    both = blend([first, second], [1, 3])
    assert both.classes == ("a", "b", "c") and both.values.tolist() == ["c"]
    np.testing.assert_allclose(both.probabilities, [[0.15, 0.175, 0.675]])
    sure = blend([first, Predictions(np.array(["b"]), None, ("a", "b"))], [1, 1])
    np.testing.assert_allclose(sure.probabilities, [[0.3, 0.7]])
    assert blend([first], [2.0]) is first
    assert concatenate([first, first]).probabilities.shape == (2, 2)
