"""Which class is answered: by what wrong answers cost, or from a threshold on."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from retrain.records.settings.units import Frozen

Cost = Annotated[float, Field(ge=0)]


def _telling(costs: dict[str, Any]) -> dict[str, Any]:
    """The costs; ValueError where they say nothing."""
    for truth, cost in costs.items():
        if isinstance(cost, dict) and not cost:
            raise ValueError(f"costs.{truth} names no answer; expected a cost, or costs by answered class")
    given = [one for cost in costs.values() for one in (cost.values() if isinstance(cost, dict) else (cost,))]
    if given and not any(given):
        raise ValueError("all costs are 0; expected one above 0")
    return costs


class DecisionSettings(Frozen):
    """Which class is answered, where errors do not all cost the same: it is recorded with each version and with what is
    served, and the gate, the metric `cost` and the replay use it. Without it the likeliest class is answered (of
    balanced accuracy the one that the metric rewards)."""

    costs: Annotated[dict[str, Cost | dict[str, Cost]], AfterValidator(_telling)] = Field(default_factory=dict)
    """What wrong answers cost, in any unit: `{ fraud = 50 }` (a fraud that is answered otherwise), or by answered class
    `{ fraud = { honest = 50, unclear = 5 } }`; others cost 1. The class of the least expected cost is answered, of
    two classes by a threshold that is chosen as `auto` is, and `metric = "auto"` is the mean `cost` of a row."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] | None = None
    """Of two classes: from which probability on `positive` is answered; or `auto`: the one that did best, by costs, or
    by the metric, on the newest settled rows that the version was not trained on."""
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
