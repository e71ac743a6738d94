"""Which class is answered: by what wrong answers cost, or from a threshold on."""

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from retrain.records.settings.units import Frozen


def _telling(costs: Any) -> Any:
    """The costs as they are; ValueError where they are none, or say nothing."""
    if not isinstance(costs, dict):
        raise ValueError("expected costs by class, as costs = { fraud = 50 }")
    given = []
    for truth, cost in costs.items():
        if isinstance(cost, dict) and not cost:
            raise ValueError(f"costs.{truth} names no answer; expected a cost, or costs by answered class")
        for answered, one in cost.items() if isinstance(cost, dict) else (("", cost),):
            if isinstance(one, bool) or not isinstance(one, int | float) or not 0 <= one < math.inf:
                name = f"costs.{truth}" + (f".{answered}" if answered else "")
                raise ValueError(f"{name} is {one!r}; expected a number, 0 or more")
            given.append(one)
    if given and not any(given):
        raise ValueError("all costs are 0; expected one above 0")
    return costs


def _threshold(value: Any) -> Any:
    """The threshold as it is; ValueError where it is none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or value == "auto" or (number and 0 < value < 1):
        return value
    raise ValueError('expected a number between 0 and 1, or "auto"')


class DecisionSettings(Frozen):
    """Which class is answered, where errors do not all cost the same: it is recorded with each version and with what is
    served, and the gate, the metric `cost` and the replay use it. Without it the likeliest class is answered (of
    balanced accuracy the one that the metric rewards)."""

    costs: Annotated[dict[str, float | dict[str, float]], BeforeValidator(_telling)] = Field(default_factory=dict)
    """What wrong answers cost, in any unit: `{ fraud = 50 }` (a fraud that is answered otherwise), or by answered class
    `{ fraud = { honest = 50, unclear = 5 } }`; others cost 1. The class of the least expected cost is answered, of
    two classes by a threshold that is chosen as `auto` is, and `metric = "auto"` is the mean `cost` of a row."""
    threshold: Annotated[float | Literal["auto"] | None, BeforeValidator(_threshold)] = None
    """Of two classes: from which probability on `positive` is answered; or `auto`: the one that did best, by costs, or
    by the metric (`metric = "auto"` is balanced accuracy then), on the newest settled rows that the version was not
    trained on."""
    positive: str | None = None
    """The class that `threshold` is of."""

    @model_validator(mode="after")
    def _complete(self) -> "DecisionSettings":
        if self.threshold is not None and self.positive is None:
            raise ValueError('threshold needs positive, the class that it is of, as positive = "yes"')
        if self.positive is not None and self.threshold is None:
            raise ValueError('positive is the class of a threshold; expected threshold = 0.3, or threshold = "auto"')
        return self

    @property
    def configured(self) -> bool:
        """Whether it says anything."""
        return bool(self.costs) or self.threshold is not None
