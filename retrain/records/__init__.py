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
    """Where a cycle stands; every state but OPEN, AWAITING_APPROVAL and ON_TRIAL is final."""

    OPEN = "open"
    AWAITING_APPROVAL = "awaiting_approval"
    ON_TRIAL = "on_trial"
    PROMOTED = "promoted"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True)
class Trigger:
    """Why a cycle was opened. `kind` is one of first_model, environment, schema, regret, drift, performance,
    schedule, age, new_data, growth, manual; `reason` is a sentence with its numbers; `evidence` has the numbers."""

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
    `seen_seq` the newest file its cycle could use; `version` is the deployment's name and `newest` the version that its
    last cycle trained; `members` and `recalibration` are the deployment's. `known_rows` counts the labelled rows that
    there were when that version was trained, whatever its window. `fixed` says that it was promoted by hand or rolled
    back to: it is served as it is until a cycle promotes another."""

    deployment: int
    version: str
    promoted_at: float
    train_rows: int
    seen_seq: int
    newest: str = ""
    members: dict[str, float] = field(default_factory=dict)
    recalibration: dict[str, Any] | None = None
    known_rows: int = 0
    fixed: bool = False


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


Moments = tuple[float, float, int]
"""Mean, variance (or standard error, where said) and number of rows."""


@dataclass(frozen=True)
class Assessment:
    """What the labels of one file told, in the unit of the metric's loss (see `retrain.metrics.losses`).

    `loss` is what the served deployment cost a row. By window: `twins` what twins cost that were trained before the
    file, `gains` how much more the deployment cost (mean, standard error, rows), `fresh` the same on the file's
    reservoir for twins trained with the file; `pairs` "a|b" the moments of the differences of two twins. `rival` are
    the moments of what the deployment cost more than its predecessor."""

    id: int
    seq: int
    rows: int
    metric: str
    score: float | None
    loss: float
    twins: dict[str, float] = field(default_factory=dict)
    pairs: dict[str, Moments] = field(default_factory=dict)
    gains: dict[str, Moments] = field(default_factory=dict)
    fresh: dict[str, Moments] = field(default_factory=dict)
    rival: Moments | None = None
    newest: str = ""

    @classmethod
    def from_json(cls, key: int, value: dict[str, Any]) -> "Assessment":
        """Of what `retrain.monitoring.assessment` found."""
        pairs, gains, fresh = ({k: _moments(v) for k, v in value[name].items()} for name in ("pairs", "gains", "fresh"))
        rival = None if value.get("rival") is None else _moments(value["rival"])
        return cls(
            key, value["seq"], value["rows"], value["metric"], value["score"], value["loss"], value["twins"], pairs,
            gains, fresh, rival, value["newest"],
        )  # fmt: skip


def _moments(value: Any) -> Moments:
    mean, spread, rows = value
    return float(mean), float(spread), int(rows)


@dataclass(frozen=True)
class Retrained:
    """How the last finished cycle that trained came out. `z` is the challenger's gain over what was served, in standard
    errors; `handicap` how much less the version costs than its twin (≤ 0); None where unknown."""

    cycle: int
    promoted: bool
    z: float | None = None
    handicap: float | None = None


@dataclass(frozen=True)
class Changed:
    """The schema is not the champion's any more: `told` in sentences. `labelled_rows` and `class_rows` were read by the
    new one, whose `digest` is "" before it is known. Unless `comparable`, task or target are others."""

    told: tuple[str, ...]
    comparable: bool
    digest: str
    labelled_rows: int = 0
    class_rows: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Observation:
    """All that the planner may know about a model besides its own state and the clock.

    `labelled_rows` and `class_rows` (asked for only before the first model) count accepted, unsuperseded, unheld
    rows; `new_labelled_rows` those that arrived after the newest file that the last cycle could use; `evidence` the
    checks newer than the state's `handled_check`, oldest first; `due` the ids of retrain schedules that are due;
    `manual` the ids of requests by hand; `backlog` is the number of settled files still to be taken in. `assessments`
    are newer than the state's `assessed`, oldest first; `proposal` is the newest one for what to serve, `proposal_id`
    its id; `drifting` says that a drift has begun and not ended; `retrained` is the last finished cycle that
    trained. `unloadable` says why the champion cannot be loaded in this environment; `changed` what the configuration
    made of its schema."""

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
    assessments: tuple[Assessment, ...] = ()
    proposal: dict[str, Any] | None = None
    proposal_id: int = 0
    drifting: bool = False
    retrained: Retrained | None = None
    unloadable: str = ""
    changed: Changed | None = None


@dataclass(frozen=True)
class Regret:
    """What the planner adds up over labelled files. `sum` is the loss that a fresh model would have saved since file
    `since`, over `span` labelled files; `loss` what the model usually costs; `handicap` of twins; `penalty` on the
    price after retrains that did not pay; `credit` in retrains: earned by the budget, spent by cycles; `recent` are
    the twins' pairs of the last files."""

    sum: float = 0.0
    since: int | None = None
    span: int = 0
    loss: float | None = None
    handicap: float = 0.0
    penalty: float = 1.0
    credit: float = 0.0
    credited_at: float | None = None
    promotions: int = 0
    files: int = 0
    retrains: int = 0
    window: str = "decay"
    twin: str = "all"
    recent: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Probation:
    """How the newest version does against its predecessor on files after its promotion: sums over rows of the paired
    differences, of their variances, and of rows, for a confidence sequence that is tightest around the variance
    `tuned`."""

    version: str = ""
    files: int = 0
    rows: int = 0
    total: float = 0.0
    spread: float = 0.0
    tuned: float = 0.0


@dataclass(frozen=True)
class PlannerState:
    """What the planner remembers between decisions; committed together with the action that it led to. `rebuilt` is
    why a champion could not be loaded when its last such cycle was opened, `reshaped` the schema of the last cycle
    for a changed one, `configured` the digest of the settings that the last cycle was opened with."""

    version: int = 2
    handled_check: int = 0
    seen_seq: int = 0
    last_opened_at: float | None = None
    next_number: int = 1
    assessed: int = 0
    proposed: int = 0
    judged_cycle: int = 0
    rebuilt: str = ""
    reshaped: str = ""
    configured: str = ""
    regret: Regret = Regret()
    probation: Probation = Probation()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "PlannerState":
        """The inverse of `to_json`; a state of version 1 knows no regret yet."""
        known = {key: value[key] for key in cls.__dataclass_fields__ if key in value} | {"version": 2}
        regret, probation = known.pop("regret", {}), known.pop("probation", {})
        recent = tuple(regret.pop("recent", ())) if regret else ()
        return cls(**known, regret=Regret(**regret, recent=recent), probation=Probation(**probation))


@dataclass(frozen=True)
class Action:
    """The planner's answer. `kind` is `open` (a cycle, for `trigger`), `reweigh` (serve `proposal`: no training),
    `rollback`, `idle`, `wait` (until `until`, or for something to happen) or `observe` (would have opened, but the mode
    changes nothing); `reason` is for people."""

    kind: str
    reason: str
    trigger: Trigger | None = None
    until: float | None = None
    proposal: dict[str, Any] | None = None


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
        if len(self.members) == 1:
            return self.members[0].version
        return f"d{self.number:04d}-{self.digest[:8]}"


@dataclass(frozen=True)
class TrialSeen:
    """What the servers saw of a challenger on trial. `rows` it answered, in shadow or in place of the champion;
    `failures` are requests on which it failed, `error` the last of them; `compared` rows were answered by both, in
    `challenger_s` and `champion_s` seconds; `differed` is the sum over these of 1 for another class, or of the absolute
    difference of two numbers; `skipped` rows were not compared for want of time."""

    rows: int = 0
    failures: int = 0
    compared: int = 0
    differed: float = 0.0
    skipped: int = 0
    champion_s: float = 0.0
    challenger_s: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class Trial:
    """A challenger beside the champion, on the terms that held when it began: not decided before `until`, nor before
    `min_rows` rows unless `latest` is over. `outcome` is promoted, dropped or ended (by hand); "" while it runs."""

    id: int
    cycle: int
    deployment: Deployment
    strategy: str
    share: float
    since: float
    until: float
    latest: float
    min_rows: int
    max_failures: int
    seen: TrialSeen = TrialSeen()
    outcome: str = ""
    reason: str = ""
    finished_at: float | None = None

    @property
    def version(self) -> str:
        """The challenger's name."""
        return self.deployment.name
