"""A metric of the user's: `file.py:function`, called as `function(y_true, y_pred, sample_weight)`.

`y_true` is (n,). `y_pred` is (n,) class names or numbers; where the function has the attribute
`needs_probabilities = True` it is the probabilities: (n,) of the second class for two classes, else (n, k) in
the order of the sorted class names. The function returns one number, and its attribute `greater_is_better`, True or
False, says which direction is better: without it nobody knows whether to promote what scores more or less. A function
without `sample_weight` gets rows repeated by their weight. A ValueError means that the metric is undefined for these
rows.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from retrain.metrics.metric import Metric, Undefined, Weighted
from retrain.records.errors import Refused
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.user_code import load_function

UserFunction = Callable[..., Any]


def user_metric(name: str, folder: Path, task: str) -> Metric:
    """The metric `name`, whose path is relative to `folder`; Refused if it cannot be loaded, or does not say which
    direction is better."""
    function = load_function(name, folder, "metric")
    probabilities = bool(getattr(function, "needs_probabilities", False)) and task == "classification"
    weighted = _takes_weight(function)

    def bind(y: Labels, predictions: Predictions) -> Weighted:
        predicted = _probabilities(predictions) if probabilities else predictions.values
        if weighted:
            return lambda weight: _call(function, name, y, predicted, weight)
        return lambda weight: _call(function, name, *_repeated(y, predicted, weight))

    return Metric(name, _greater_is_better(function, name), probabilities, bind)


def _greater_is_better(function: UserFunction, name: str) -> bool:
    told = getattr(function, "greater_is_better", None)
    if isinstance(told, bool):
        return told
    short = name.rpartition(":")[2]
    what = "does not say" if told is None else f"has greater_is_better = {told!r}, which does not say"
    raise Refused(
        f"metric {name} {what} whether a greater value is better",
        f"write `{short}.greater_is_better = False` below the function if less is better, as of a cost or an error;"
        f" else `{short}.greater_is_better = True`",
    )


def _takes_weight(function: UserFunction) -> bool:
    parameters = inspect.signature(function).parameters.values()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 2 or any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _probabilities(predictions: Predictions) -> Floats:
    if predictions.probabilities is None:
        raise Undefined("the estimator gives no probabilities")
    matrix = predictions.probabilities
    return matrix[:, 1] if matrix.shape[1] == 2 else matrix


def _repeated(y: Labels, predicted: Labels, weight: Floats) -> tuple[Labels, Labels]:
    """Rows as often as their weight says, for a function that knows no weights."""
    if np.all(weight == weight[0]):
        return y, predicted
    times = np.rint(weight).astype(np.int64)
    return np.repeat(y, times, axis=0), np.repeat(predicted, times, axis=0)


def _call(function: UserFunction, name: str, *arguments: Labels) -> float:
    try:
        return float(function(*arguments))
    except ValueError as error:
        raise Undefined(f"{name}: {error}") from None
    except (Exception, SystemExit) as error:
        raise Refused(f"metric {name} failed: {type(error).__name__}: {error}", "expected one number") from error
