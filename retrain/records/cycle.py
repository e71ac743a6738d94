"""A cycle, its stages and where it stands. Times are Unix seconds (UTC), by the wall clock."""

from dataclasses import dataclass
from enum import StrEnum

from retrain.records.trigger import Trigger


class Stage(StrEnum):
    """The steps of a cycle, in order."""

    PREPARE = "prepare"
    TRAIN = "train"
    EVALUATE = "evaluate"
    PROMOTE = "promote"


class CycleState(StrEnum):
    """Where a cycle stands; every state but OPEN, AWAITING_APPROVAL and ON_TRIAL is final."""

    OPEN = "open"
    AWAITING_APPROVAL = "awaiting_approval"
    ON_TRIAL = "on_trial"
    PROMOTED = "promoted"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True)
class Cycle:
    """One prepare → train → evaluate → promote run. `number` is the version's number within the model;
    `up_to_seq` the newest file (by order of arrival) that it may use; `attempt` counts from 0 within the stage;
    `not_before` is when a retry may start."""

    id: int
    model: str
    trigger: Trigger
    state: CycleState
    stage: Stage
    attempt: int
    number: int
    up_to_seq: int
    opened_at: float
    not_before: float = 0.0
    reason: str = ""
    version: str | None = None
