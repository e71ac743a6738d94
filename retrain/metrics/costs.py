"""What answers cost: of a class, answered as another, in any unit. A cost is (true class, answered class, cost); an
empty answered class stands for all others. What no cost names costs 1 where it is wrong, and 0 where it is right."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from retrain.metrics.metric import Undefined
from retrain.records.predictions import Floats, Labels, Predictions, label_codes

Costs = tuple[tuple[str, str, float], ...]


@lru_cache(maxsize=64)
def cost_matrix(costs: Costs, classes: tuple[str, ...]) -> Floats:
    """Costs (k, k) by true class (rows) and answered class (columns).

    >>> cost_matrix((("fraud", "", 50.0),), ("fraud", "honest"))
    array([[ 0., 50.],
           [ 1.,  0.]])
    """
    place = {name: at for at, name in enumerate(classes)}
    matrix = 1.0 - np.eye(len(classes))
    for truth, answered, cost in sorted(costs, key=lambda one: one[1] != ""):
        if truth not in place:
            continue
        at = place[truth]
        if not answered:
            matrix[at, np.arange(len(classes)) != at] = cost
        elif answered in place:
            matrix[at, place[answered]] = cost
    matrix.setflags(write=False)
    return matrix


def answer_costs(costs: Costs) -> Callable[[Labels, Predictions], Floats]:
    """Of labels (n,) and what was answered: the cost of each row, shape (n,). A label that the predictions do not know
    is a class like others."""

    def rows(y: Labels, predictions: Predictions) -> Floats:
        if predictions.classes is None:
            raise Undefined("predictions of numbers have no classes")
        labels = [str(label) for label in y.tolist()]
        names = _names(predictions.classes, labels)
        found: Floats = cost_matrix(costs, names)[label_codes(labels, names), label_codes(predictions.values, names)]
        return found

    return rows


def _names(classes: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    return (*classes, *sorted(set(labels) - set(classes)))
