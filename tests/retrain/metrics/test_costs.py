"""What answers cost: the metric `cost`, and its matrix."""

import numpy as np
import pytest

from retrain.metrics.costs import cost_matrix
from retrain.metrics.losses import row_losses
from retrain.metrics.registry import MetricContext, get_metric
from retrain.records.errors import Refused
from retrain.records.predictions import Predictions

COSTS = (("a", "", 5.0), ("a", "c", 2.0), ("b", "a", 0.0))


def test_a_cost_by_answer_goes_before_that_of_any_other_answer() -> None:
    """What is named costs that, other errors 1, right answers nothing; classes that no row has are passed over."""
    assert cost_matrix(COSTS, ("a", "b", "c")).tolist() == [[0, 5, 2], [0, 0, 1], [1, 1, 0]]
    assert cost_matrix(COSTS, ("b", "c")).tolist() == [[0, 1], [1, 0]]


def test_the_metric_is_the_mean_cost_of_a_row_and_row_losses_add_up_to_it() -> None:
    """Of a label that nobody predicts too; weights count as in any mean; less is better."""
    metric = get_metric("cost", MetricContext("classification", costs=COSTS))
    y = np.array(["a", "a", "b", "z"])
    said = Predictions(np.array(["b", "c", "a", "a"]), None, ("a", "b", "c"))
    assert not metric.greater_is_better and metric.score(y, said) == (5 + 2 + 0 + 1) / 4
    assert metric.score(y, said, np.array([1.0, 0.0, 1.0, 0.0])) == 2.5
    losses = row_losses(metric, y, said)
    assert losses is not None and losses.tolist() == [5, 2, 0, 1]


def test_without_costs_there_is_no_such_metric() -> None:
    """Refused with the key that gives them."""
    with pytest.raises(Refused, match="costs of answers") as refused:
        get_metric("cost", MetricContext("classification"))
    assert "decision.costs" in str(refused.value)
