"""The nouns of the lifecycle as frozen values; times are Unix seconds (UTC), wall clock unless named event time."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """The steps of a cycle, in order."""

    PREPARE = "prepare"
    TRAIN = "train"
    EVALUATE = "evaluate"
    PROMOTE = "promote"


class CycleState(StrEnum):
    """Where a cycle stands; every state but OPEN and AWAITING_APPROVAL is final."""

    OPEN = "open"
    AWAITING_APPROVAL = "awaiting_approval"
    PROMOTED = "promoted"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True)
class Trigger:
    """Why a cycle was opened. `kind` is one of first_model, drift, performance, schedule, age, new_data,
    growth, manual; `reason` is a sentence with its numbers; `evidence` the numbers themselves."""

    kind: str
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)


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


@dataclass(frozen=True)
class Outcome:
    """What a stage came to: `ok`, `retry` (may go better next time), `terminal` (will not) or `kept` (evaluate)."""

    kind: str
    result: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Champion:
    """The promoted deployment as the planner sees it. `train_rows` counts the rows it was trained on,
    `seen_seq` the newest file its cycle could use."""

    deployment: int
    version: str
    promoted_at: float
    train_rows: int
    seen_seq: int


@dataclass(frozen=True)
class Rise:
    """What a detector of the stream of errors saw in a check's file: at `row` it was sure that the mean error had
    risen from `before` to `after` since `since_row`, None where that is in an earlier file."""

    detector: str
    row: int
    since_row: int | None
    before: float
    after: float


@dataclass(frozen=True)
class Evidence:
    """One finished check as the planner sees it: `check` is its id, `seq` the file's order of arrival or None
    for a scheduled check; `drifted` the columns; `performance_dropped` by the test of the metric or, with `rise`, by
    the detector; `drop` how far the metric is below its evaluation, in its own unit."""

    check: int
    seq: int | None
    drift: bool
    drifted: tuple[str, ...] = ()
    performance_dropped: bool = False
    drop: float | None = None
    metric: str | None = None
    rise: Rise | None = None


@dataclass(frozen=True)
class Observation:
    """All that the planner may know about a model besides its own state and the clock.

    `labelled_rows` and `class_rows` (asked for only before the first model) count accepted, unsuperseded, unheld
    rows; `new_labelled_rows` those that arrived after the newest file that the last cycle could use; `evidence` the
    checks newer than the state's `handled_check`, oldest first; `due` the ids of retrain schedules that are due;
    `manual` the ids of requests by hand; `backlog` is the number of settled files still to be taken in."""

    labelled_rows: int
    new_labelled_rows: int
    class_rows: dict[str, int]
    newest_seq: int
    champion: Champion | None
    open_cycle: Cycle | None
    evidence: tuple[Evidence, ...] = ()
    due: tuple[int, ...] = ()
    manual: tuple[int, ...] = ()
    paused: bool = False
    backlog: int = 0


@dataclass(frozen=True)
class PlannerState:
    """What the planner remembers between decisions; committed together with the action that it led to."""

    version: int = 1
    handled_check: int = 0
    seen_seq: int = 0
    last_opened_at: float | None = None
    next_number: int = 1

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Action:
    """The planner's answer. `kind` is `open` (a cycle, for `trigger`), `idle`, `wait` (until `until`, or for something
    to happen) or `observe` (would have opened, but the mode changes nothing); `reason` is for people."""

    kind: str
    reason: str
    trigger: Trigger | None = None
    until: float | None = None


@dataclass(frozen=True)
class Member:
    """A version within a deployment."""

    version: str
    weight: float = 1.0


@dataclass(frozen=True)
class Deployment:
    """What a slot serves: versions with weights, and a calibration (None: as the versions predict)."""

    number: int
    model: str
    members: tuple[Member, ...]
    calibration: dict[str, Any] | None = None
    digest: str = ""

    @property
    def name(self) -> str:
        """What answers call `version`: the version's name, or the deployment's where it is a blend."""
        if len(self.members) == 1 and self.calibration is None:
            return self.members[0].version
        return f"d{self.number:04d}-{self.digest[:8]}"
