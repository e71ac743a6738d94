"""Which class is answered, given the classes' probabilities, where that is configured: the one of the least expected
cost (Elkan 2001), or a class from a threshold of its probability on.

It is recorded with a version and with what is served of it: what is answered does not change with the configuration
until something else is served."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.metrics.costs import Costs, cost_matrix
from retrain.records.errors import Refused
from retrain.records.predictions import Floats
from retrain.records.settings import DecisionSettings


@dataclass(frozen=True)
class Decision:
    """The class of the least expected `costs`; or, where there is a `threshold`, `positive` if its probability is at
    least so much, else the likeliest other class; one that is `chosen` follows settled rows."""

    costs: Costs = ()
    positive: str = ""
    threshold: float | None = None
    chosen: bool = False

    def choose(self, probabilities: Floats, classes: tuple[str, ...]) -> NDArray[np.int64]:
        """Positions (n,) in `classes` of what is answered, given (n, k) probabilities.

        >>> Decision((("fraud", "", 4.0),)).choose(np.array([[0.3, 0.7], [0.1, 0.9]]), ("fraud", "honest"))
        array([0, 1])
        >>> Decision((), "yes", 0.3).choose(np.array([[0.7, 0.3], [0.8, 0.2]]), ("no", "yes"))
        array([1, 0])
        """
        if self.threshold is None:
            return np.asarray((probabilities @ cost_matrix(self.costs, classes)).argmin(axis=1), dtype=np.int64)
        if self.positive not in classes:
            return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)
        at = classes.index(self.positive)
        others = probabilities.copy()
        others[:, at] = -1.0
        return np.where(probabilities[:, at] >= self.threshold, at, others.argmax(axis=1)).astype(np.int64)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        costs = [list(one) for one in self.costs]
        return {"costs": costs, "positive": self.positive, "threshold": self.threshold, "chosen": self.chosen}

    def sentence(self) -> str:
        """In words.

        >>> Decision((), "yes", 0.3).sentence()
        "'yes' is answered where its probability is 0.3 or more"
        """
        if self.threshold is not None:
            why = "; the threshold follows settled rows" if self.chosen else ""
            return f"{self.positive!r} is answered where its probability is {self.threshold:.4g} or more{why}"
        told = [
            f"{cost:g} for {truth!r} answered {f'as {answered!r}' if answered else 'otherwise'}"
            for truth, answered, cost in self.costs
        ]
        return f"the class of the least expected cost is answered: {', '.join(told)}; 1 for any other wrong answer"


def costs_of(settings: DecisionSettings) -> Costs:
    """The configured costs, in one order.

    >>> costs_of(DecisionSettings(costs={"fraud": 50, "honest": {"fraud": 2}}))
    (('fraud', '', 50.0), ('honest', 'fraud', 2.0))
    """
    found: list[tuple[str, str, float]] = []
    for truth, cost in settings.costs.items():
        of_truth: Mapping[str, float] = cost if isinstance(cost, Mapping) else {"": cost}
        found += [(truth, answered, float(value)) for answered, value in of_truth.items()]
    return tuple(sorted(found))


def named_classes(settings: DecisionSettings) -> set[str]:
    """The classes that the configuration names.

    >>> sorted(named_classes(DecisionSettings(costs={"fraud": {"honest": 5}})))
    ['fraud', 'honest']
    """
    return {name for truth, answered, _ in costs_of(settings) for name in (truth, answered) if name}


def configured_decision(settings: DecisionSettings, classes: tuple[str, ...]) -> Decision | None:
    """What is configured, with a threshold that is to be chosen as it begins; None where nothing is, or where it is of
    other classes.

    Costs of two classes have a threshold that is chosen: few models' probabilities are so good that the least expected
    cost by them is the least."""
    costs, positive, threshold = costs_of(settings), settings.positive, settings.threshold
    if threshold is None and (not costs or len(classes) != 2):
        return Decision(costs) if costs else None
    positive = positive or classes[1]
    if positive not in classes or len(classes) != 2:
        return None
    if isinstance(threshold, float):
        return Decision(costs, positive, threshold)
    return Decision(costs, positive, neutral_threshold(costs, positive, classes), chosen=True)


def refuse_unfit(settings: DecisionSettings, classes: tuple[str, ...]) -> None:
    """Refused where the configured decision cannot be of these classes."""
    if settings.threshold is not None and (settings.positive not in classes or len(classes) != 2):
        known = ", ".join(repr(name) for name in classes)
        raise Refused(
            f"decision.threshold is of {settings.positive!r} and one other class; the classes are {known}",
            "expected decision.positive to be one of two classes; `costs` decides between more",
        )


def neutral_threshold(costs: Costs, positive: str, classes: tuple[str, ...]) -> float:
    """Of two classes: from which probability on answering `positive` costs less, 0.5 where all errors cost the same.

    >>> neutral_threshold((("fraud", "", 4.0),), "fraud", ("fraud", "honest"))
    0.2
    """
    matrix, at = cost_matrix(costs, classes), classes.index(positive)
    missed, alarm = matrix[at, 1 - at] - matrix[at, at], matrix[1 - at, at] - matrix[1 - at, 1 - at]
    return float(alarm / (alarm + missed)) if alarm > 0 and missed > 0 else 0.5
