"""The schedules of the table, by name, and what is configured for them."""

from typing import Any

from daemon.tools.replay.label_times import LabelTimes, arriving, late
from retrain.records.settings import ModelSettings
from retrain.records.settings.labels import LabelSettings

AT_ONCE = "at-once"
MATURED = "+maturity"
USUAL = (
    AT_ONCE, "delay:3", "delay:6", "random:5", "share:0.05", "positives-first:5", "positives-only:5", "provisional:5",
    "rated:0.5", "delay:5+maturity", "positives-first:5+maturity", "positives-only:5+maturity",
    "provisional:5+maturity",
)  # fmt: skip
REFERENCES = {name: "delay:5+maturity" for name in USUAL if name.endswith(MATURED)}


def times(name: str, seed: int) -> LabelTimes:
    """Of "at-once", or KIND:HOW as `driftd replay --arrival` has it, with "+maturity" or without."""
    kind = name.removesuffix(MATURED)
    if kind.startswith("delay:"):
        return late(kind.removeprefix("delay:"))
    return LabelTimes() if kind == AT_ONCE else arriving(kind, seed=seed)


def configured(settings: ModelSettings, name: str, negative: str) -> ModelSettings:
    """With "+maturity": labels are final as late as the schedule has them, and silence means the other class."""
    if not name.endswith(MATURED):
        return settings
    batches = times(name, 0).age
    assert batches is not None
    only = name.startswith("positives-only")
    wanted: dict[str, Any] = {"maturity": str(batches), "negative": negative if only else None}
    return settings.model_copy(update={"labels": LabelSettings.model_validate(wanted)})
