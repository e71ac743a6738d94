"""The metrics by name, and the user's own: what a model is judged by."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrain.metrics import classification as of_classes
from retrain.metrics import regression as of_numbers
from retrain.metrics.costs import Costs, answer_costs
from retrain.metrics.metric import Bind, Metric, RowValues, Weighted
from retrain.metrics.user_metric import user_metric
from retrain.operations import Done, MetricRequest
from retrain.records.errors import Refused
from retrain.records.predictions import Labels, Predictions
from retrain.records.settings import FORMER_METRICS, METRICS
from retrain.user_code import is_own

MINORITY_SHARE = 0.2


@dataclass(frozen=True)
class MetricContext:
    """What a metric needs besides rows: `task` ("classification" or "regression"); `initial_median`, the
    constant that `mae_skill` compares with; `folder`, to which the path of a user's metric is relative; `costs`, of
    answers, that the metric `cost` needs."""

    task: str
    initial_median: float | None = None
    folder: Path = Path()
    costs: Costs = ()


def _mean_of(rows: RowValues) -> Bind:
    """The weighted mean of row values as a metric."""

    def bind(y: Labels, predictions: Predictions) -> Weighted:
        values = rows(y, predictions)
        return lambda weight: float(weight @ values / weight.sum())

    return bind


def _of_rows(name: str, greater: bool, rows: RowValues, probabilities: bool = False) -> Metric:
    return Metric(name, greater, probabilities, _mean_of(rows), rows)


CLASSIFICATION = {
    metric.name: metric
    for metric in (
        Metric("balanced_accuracy", True, False, of_classes.balanced_accuracy),
        _of_rows("accuracy", True, of_classes.hits),
        Metric("roc_auc", True, True, of_classes.roc_auc),
        Metric("average_precision", True, True, of_classes.average_precision),
        Metric("f1_macro", True, False, of_classes.f1_macro),
        _of_rows("log_loss", False, of_classes.log_losses, probabilities=True),
        _of_rows("brier", False, of_classes.brier_losses, probabilities=True),
    )
}
REGRESSION = {
    metric.name: metric
    for metric in (
        _of_rows("mae", False, of_numbers.absolute_errors),
        Metric("rmse", False, False, of_numbers.rmse),
        Metric("r2", True, False, of_numbers.r2),
    )
}
OF_LISTS = ("ndcg_at_10",)
"""Of recommendations: they judge lists, not rows (see `retrain.metrics.ranking`)."""
assert {
    "classification": (*CLASSIFICATION, "cost"), "regression": (*REGRESSION, "mae_skill"), "recommendation": OF_LISTS,
} == METRICS  # fmt: skip


def get_metric(name: str, context: MetricContext) -> Metric:
    """The metric of that name for the task, or the user's `file.py:function`; Refused if there is none."""
    name = FORMER_METRICS.get(name, name)
    if is_own(name):
        return user_metric(name, context.folder, context.task)
    registry = CLASSIFICATION if context.task == "classification" else REGRESSION
    if name in registry:
        return registry[name]
    if name == "cost" and context.task == "classification":
        return mean_cost(context.costs)
    if name == "mae_skill" and context.task == "regression":
        return mae_skill(context.initial_median)
    known = ", ".join(METRICS[context.task])
    raise Refused(f"metric {name!r} is unknown for {context.task}", f"expected one of {known}, or file.py:function")


def find(request: MetricRequest) -> Done:
    """The operation: Refused tells why a metric cannot be used."""
    get_metric(request.name, MetricContext(request.task, initial_median=0.0))
    return Done()


def mean_cost(costs: Costs) -> Metric:
    """The mean cost of a row's answer."""
    if not costs:
        raise Refused("metric 'cost' needs the costs of answers", "give decision.costs, as costs = { fraud = 50 }")
    return _of_rows("cost", False, answer_costs(costs))


def mae_skill(initial_median: float | None) -> Metric:
    """The skill score of the mean absolute error: 1 − MAE / MAE of always saying `initial_median`, the median of the
    first training data's target (Murphy 1988)."""
    if initial_median is None:
        raise Refused("metric 'mae_skill' needs the initial median of the target", "train a first version")
    return Metric("mae_skill", True, False, of_numbers.relative_to(initial_median))


def default_metric(task: str, y: Labels) -> str:
    """Balanced accuracy; ROC AUC where the rarer of two classes is under 20 %; `mae_skill` for numbers.

    >>> default_metric("classification", np.array(["a"] * 9 + ["b"]))
    'roc_auc'
    """
    if task == "regression":
        return "mae_skill"
    counts = Counter(np.asarray(y).tolist())
    rare = len(counts) == 2 and min(counts.values()) < MINORITY_SHARE * len(y)
    return "roc_auc" if rare else "balanced_accuracy"
