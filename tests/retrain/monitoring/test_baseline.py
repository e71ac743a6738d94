"""A first model is compared with the constant answer on rows that did not choose its threshold."""

from types import SimpleNamespace

import numpy as np

from retrain.metrics.registry import MetricContext, get_metric, mean_cost
from retrain.model.tasks import Baseline
from retrain.monitoring.baseline import constant_answer, gain_over_baseline
from retrain.planning.gate import beyond_chance
from retrain.records.predictions import Predictions
from retrain.records.settings import ModelSettings

COSTS = (("yes", "", 10.0),)
SETTINGS = ModelSettings.model_validate(
    {"data_dir": "d", "task": "classification", "target": "y", "decision": {"costs": {"yes": 10}}}
)
CLASSES = ("no", "yes")
VERSION = SimpleNamespace(
    is_recorded=False,
    baseline=Baseline("no", (0.9, 0.1), CLASSES),
    metric=mean_cost(COSTS),
    classes=CLASSES,
    evaluation={},
)
TRIALS, ROWS = 400, 240


def predicted(trial: int, skill: float) -> tuple[Predictions, np.ndarray]:
    """Probabilities of a tenth of positive rows, that know them by so much or not at all, and the labels."""
    rng = np.random.default_rng(trial)
    y = np.where(rng.random(ROWS) < 0.1, "yes", "no")
    likely = 1 / (1 + np.exp(3 - rng.normal(0, 1.5, ROWS) - skill * (y == "yes")))
    probabilities = np.column_stack([1 - likely, likely])
    return Predictions(np.array(CLASSES)[probabilities.argmax(axis=1)], probabilities, CLASSES), y


def passed(skill: float) -> int:
    """How many of the trials' models pass the gate as first ones."""
    found = (gain_over_baseline(VERSION, *predicted(trial, skill), None, SETTINGS) for trial in range(TRIALS))
    return sum(one is not None and beyond_chance(one, 0) for one in found)


def test_noise_with_costs_is_not_served():
    """A threshold that did best on rows is not judged on them, and rows without a costly one do not say that there is
    none: of 400 models without skill at most four pass, as of a gate at 2.3 standard errors; with skill they do."""
    assert passed(0.0) <= 4
    assert passed(4.0) > TRIALS / 2


def test_the_constant_answer_costs_least():
    """A tenth of the rows is "yes", and a "yes" that is missed costs ten times as much: "yes" it is."""
    assert set(constant_answer(VERSION, 5, None).values) == {"no"}
    _, y = predicted(0, 0.0)
    found = gain_over_baseline(
        VERSION, Predictions(np.full(ROWS, "yes"), np.tile([0.0, 1.0], (ROWS, 1)), CLASSES), y, None, SETTINGS
    )
    assert found is not None and found.gain == 0


def test_only_a_mean_cost_is_unsure_of_rows_that_cost_much():
    """Accuracy, configured beside costs, differs by at most 1 a row: its error is that of its own rows."""
    accuracy = get_metric("accuracy", MetricContext("classification", None))
    other = SimpleNamespace(**{**vars(VERSION), "metric": accuracy})
    said, y = predicted(0, 4.0)
    of_rows = [gain_over_baseline(one, said, y, None, SETTINGS) for one in (other, VERSION)]
    of_accuracy, of_cost = (one.se for one in of_rows if one is not None and one.se is not None)
    assert of_accuracy < 10 / ROWS < of_cost
