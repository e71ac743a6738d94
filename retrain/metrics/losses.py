"""What each row costs in the metric's own unit: the currency in which models are compared.

The mean of a model's row losses is `level − metric` (`metric − level` where smaller is better) with a level that is the
same for all models, so that the mean paired difference of two models' losses is the difference of their metrics,
exactly or to first order, and its standard error is that of a mean."""

import numpy as np

from retrain.metrics.metric import Metric, Undefined
from retrain.metrics.resampling import value_or_nan
from retrain.records.predictions import Floats, Labels, Predictions, label_codes

BLOCKS = 20


def row_losses(metric: Metric, y: Labels, predictions: Predictions) -> Floats | None:
    """Losses (n,) of n labelled rows; None where the metric is undefined for them.

    Means of rows count row by row; balanced accuracy by hits over the class's share; ROC AUC of two classes by
    placements (DeLong et al. 1988); every other metric, a user's own too, by the pseudo-values of a jackknife over 20
    blocks of consecutive rows (Quenouille 1956), each spread over its block's rows; so do these two where rows do not
    all count alike.

    >>> from retrain.metrics.registry import get_metric, MetricContext
    >>> predictions = Predictions(np.array(["a", "b", "b"]), None, ("a", "b"))
    >>> metric = get_metric("balanced_accuracy", MetricContext("classification"))
    >>> row_losses(metric, np.array(["a", "a", "b"]), predictions)
    array([0.  , 0.75, 0.  ])
    """
    if not len(y):
        return None
    special = {"balanced_accuracy": _balanced, "roc_auc": _placements}.get(metric.name) if metric.base is None else None
    try:
        found = special(y, predictions) if special is not None else None
        if found is None:
            values = metric.row_values(y, predictions)
            found = _signed(metric, values) if values is not None else _jackknife(metric, y, predictions)
    except Undefined:
        return None
    return found if bool(np.isfinite(found).all()) else None


def _signed(metric: Metric, values: Floats) -> Floats:
    return 1.0 - values if metric.greater_is_better else np.asarray(values, dtype=np.float64)


def _balanced(y: Labels, predictions: Predictions) -> Floats | None:
    """A wrong row of a class costs n / (classes · rows of the class)."""
    if predictions.classes is None:
        return None
    truth = y.astype(np.str_, copy=False)
    names, codes, counts = np.unique(truth, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise Undefined("the labels are all of one class")
    wrong = truth != predictions.values.astype(np.str_, copy=False)
    return np.asarray(wrong * (len(y) / (len(names) * counts))[codes], dtype=np.float64)


def _placements(y: Labels, predictions: Predictions) -> Floats | None:
    """1 − the share of the other class that a row is on the right side of, each class weighing half."""
    if predictions.classes is None or len(predictions.classes) != 2 or predictions.probabilities is None:
        return None
    truth = label_codes(y, predictions.classes)
    if (truth < 0).any():
        return None
    positive = truth == 1
    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        raise Undefined("the labels are all of one class")
    scores = np.asarray(predictions.probabilities[:, 1], dtype=np.float64)
    losses = np.empty(len(y))
    low, high = np.sort(scores[~positive]), np.sort(scores[positive])
    losses[positive] = 1.0 - _share_below(low, scores[positive])
    losses[~positive] = _share_below(high, scores[~positive])
    return losses * np.where(positive, len(y) / (2 * many), len(y) / (2 * few))


def _share_below(ordered: Floats, values: Floats) -> Floats:
    """Of sorted numbers, ties half."""
    below = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return np.asarray(below / (2.0 * len(ordered)), dtype=np.float64)


def _jackknife(metric: Metric, y: Labels, predictions: Predictions) -> Floats:
    bound = metric.bind(np.asarray(y), predictions)
    whole = bound(np.ones(len(y)))
    block = np.arange(len(y)) * min(BLOCKS, len(y)) // len(y)
    blocks = int(block[-1]) + 1
    if blocks < 2 or not np.isfinite(whole):
        return np.full(len(y), np.nan)
    values = np.empty(blocks)
    for number in range(blocks):
        without = value_or_nan(bound, (block != number).astype(np.float64))
        values[number] = blocks * whole - (blocks - 1) * without if np.isfinite(without) else whole
    return _signed(metric, values[block])
