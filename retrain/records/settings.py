"""What a user may configure about a model, with every default; parsed once into frozen objects."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*$")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB)\s*$", re.IGNORECASE)
BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
BUDGET = re.compile(
    r"^\s*(\d+(?:\.\d+)?)\s+per\s+(?:(\d+)\s+(?:batches|files)|(day|week|hour)|(\d+(?:\.\d+)?)\s*(m|h|d|w))\s*$"
)
METRICS = {
    "classification": (
        "balanced_accuracy", "accuracy", "roc_auc", "average_precision", "f1_macro", "log_loss", "brier",
    ),
    "regression": ("mae", "rmse", "r2", "relative_mae"),
}  # fmt: skip
"""By task, as `retrain.metrics.registry` computes them; here so that a configuration is read without it."""
RATE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s+per\s+(\d+)\s+checks\s*$")


def duration_s(value: Any) -> Any:
    """Seconds of "90s", "15m", "12h", "30d" or "4w"; a bare number is seconds."""
    if isinstance(value, str):
        match = DURATION.match(value)
        if match is None:
            raise ValueError('expected a duration such as "30s", "15m", "12h", "30d" or "4w"')
        return float(match[1]) * SECONDS[match[2]]
    return value


def size_bytes(value: Any) -> Any:
    """Bytes of "500MB" or "4GB"; a bare number is bytes."""
    if isinstance(value, str):
        match = SIZE.match(value)
        if match is None:
            raise ValueError('expected a size such as "500MB" or "4GB"')
        return int(float(match[1]) * BYTES[match[2].lower()])
    return value


def alarm_rate(value: Any) -> Any:
    """The error rate of one whole check: "1 per 100 checks" is 0.01."""
    if isinstance(value, str):
        match = RATE.match(value)
        if match is None or int(match[2]) == 0:
            raise ValueError('expected a budget such as "1 per 100 checks"')
        return float(match[1]) / int(match[2])
    return value


@dataclass(frozen=True)
class Budget:
    """`retrains` per `files` labelled files, or per `seconds` where that is given."""

    retrains: float
    files: int | None
    seconds: float | None

    @property
    def rate(self) -> float:
        """Retrains that one labelled file, or one second, earns."""
        return self.retrains / (self.files if self.files is not None else self.seconds or 1.0)


def retrain_budget(value: Any) -> Any:
    """A Budget of "10 per 100 batches", "2 per week" or "1 per 12h"; a mapping as `model_dump` gives it."""
    if isinstance(value, dict):
        return Budget(**value)
    if not isinstance(value, str):
        return value
    match = BUDGET.match(value)
    if match is None or (match[2] and not int(match[2])):
        raise ValueError('expected a budget such as "10 per 100 batches", "2 per week" or "1 per 12h"')
    if match[2]:
        return Budget(float(match[1]), int(match[2]), None)
    seconds = SECONDS[match[3][0]] if match[3] else float(match[4]) * SECONDS[match[5]]
    return Budget(float(match[1]), None, seconds)


Duration = Annotated[float, BeforeValidator(duration_s), Field(gt=0)]
Size = Annotated[int, BeforeValidator(size_bytes), Field(gt=0)]


def unless_off(value: Any) -> Any:
    """None for `false`, which switches a rule off: TOML has no null."""
    return None if value is False else value


Price = Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(unless_off)]
Growth = Annotated[Annotated[float, Field(gt=1)] | None, BeforeValidator(unless_off)]
RetrainBudget = Annotated[Budget, BeforeValidator(retrain_budget)]
AlarmRate = Annotated[float, BeforeValidator(alarm_rate), Field(gt=0, lt=1)]
ColumnKind = Literal["number", "integer", "boolean", "category", "datetime", "text"]


class Frozen(BaseModel):
    """Base of all settings: immutable, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnSettings(Frozen):
    """One declared column; `name = "number"` is short for `name = {type = "number"}`."""

    type: ColumnKind
    min: float | None = None
    max: float | None = None
    categories: tuple[str, ...] | None = None
    nullable: bool = True
    feature: bool = True

    @model_validator(mode="after")
    def _possible(self) -> "ColumnSettings":
        bounded = self.min is not None or self.max is not None
        if bounded and self.type not in ("number", "integer"):
            raise ValueError(f"min and max are for numbers, not for {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        if self.categories is not None and self.type != "category":
            raise ValueError(f'categories are for type = "category", not for {self.type}')
        if self.categories == ():
            raise ValueError("categories is empty; name at least one or leave it out")
        return self


class DriftSettings(Frozen):
    """How checks judge: the budget of false alarms of a whole check, the smallest effect that counts, and what
    watches the stream of errors between files."""

    false_alarms: AlarmRate = 0.01
    min_effect: float = Field(default=0.05, ge=0, le=1)
    min_rows: int = Field(default=50, ge=2)
    ignore: tuple[str, ...] = ()
    weights: Literal["equal", "importance"] = "equal"
    calendar: bool = False
    multivariate: bool = False
    detector: Literal["adwin", "page_hinkley", "none"] = "adwin"

    @field_validator("detector", mode="before")
    @classmethod
    def _still_there(cls, value: Any) -> Any:
        if value in ("ddm", "hddm"):
            raise ValueError(
                'that detector was removed: "adwin", the default, alarms falsely less often and keeps to'
                ' `false_alarms`; "page_hinkley" is quicker on sudden rises'
            )
        return value


class TriggerSettings(Frozen):
    """What opens a cycle, besides a schedule and a person."""

    regret: Price = 0.5
    retrains: RetrainBudget = Budget(20.0, 100, None)
    drift_prior: float = Field(default=0.8, gt=0, le=1)
    on_drift: bool = False
    on_performance: bool = False
    min_drop: float = Field(default=0.02, ge=0)
    max_age: Duration | None = None
    new_rows: int | None = Field(default=None, ge=1)
    growth: Growth = 2.0
    cooldown: Duration = 1.0
    min_new_rows: int = Field(default=1, ge=1)
    first_rows: int = Field(default=500, ge=10)
    first_class_rows: int = Field(default=20, ge=2)
    max_attempts: int = Field(default=3, ge=1, le=100)
    retry_after: Duration = 10.0


class WindowSettings(Frozen):
    """Which rows train: all, those of the last duration or files, all with decaying weights, or whichever of these the
    evidence of the newest files favours ("auto")."""

    kind: Literal["auto", "all", "last", "files", "decay"] = "auto"
    last: Duration | None = None
    files: int | None = Field(default=None, ge=1)
    half_life_files: float = Field(default=6.0, gt=0)
    max_rows: int = Field(default=2_000_000, ge=100)
    holdout_min_rows: int = Field(default=50, ge=10)
    deduplicate: Literal["auto", "id", "rows", "none"] = "auto"

    @model_validator(mode="after")
    def _complete(self) -> "WindowSettings":
        if self.kind == "last" and self.last is None:
            raise ValueError('kind = "last" needs last, such as last = "90d"')
        if self.kind == "files" and self.files is None:
            raise ValueError('kind = "files" needs files, such as files = 12')
        return self


class GateSettings(Frozen):
    """When a challenger may replace the champion."""

    max_worse_se: float = Field(default=2.5, gt=0)
    slices: tuple[str, ...] = ()
    min_slice_rows: int = Field(default=100, ge=10)


class ProbationSettings(Frozen):
    """How long a promotion is watched, and how sure must be that its predecessor is better before it is undone."""

    files: int = Field(default=8, ge=0)
    alpha: float = Field(default=0.05, gt=0, lt=1)


class RolloutSettings(Frozen):
    """How a challenger that passed the gate becomes the champion: at once, or after a trial in which its answers are
    recorded beside the champion's ("shadow") or returned to a share of the requests ("canary")."""

    strategy: Literal["direct", "shadow", "canary"] = "direct"
    share: float | None = Field(default=None, gt=0, le=1)
    period: Duration = 3600.0
    min_rows: int = Field(default=100, ge=0)
    longest: Duration = 86400.0
    max_failures: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> "RolloutSettings":
        if self.longest < self.period:
            raise ValueError(f"longest is {self.longest:g} s, shorter than the period of {self.period:g} s")
        return self

    @property
    def reached(self) -> float:
        """The share of the requests that the challenger sees."""
        return self.share if self.share is not None else 0.1 if self.strategy == "canary" else 1.0


class LayerSettings(Frozen):
    """What follows the labels between retrains, without training: earlier versions blended in (at most `members` of the
    newest `archive` versions answer a request), and recalibration."""

    archive: int = Field(default=8, ge=1)
    members: int = Field(default=3, ge=1)
    recalibration: bool = True


SuspicionKind = Literal["duplicated_rows", "unit_bug", "label_noise", "leaked_target"]


class SuspicionSettings(Frozen):
    """Which new files are held before they teach anything, and how many alike in a row are a new normal."""

    hold: bool = True
    release_after: int = Field(default=3, ge=1)
    kinds: tuple[SuspicionKind, ...] = ("duplicated_rows", "unit_bug", "label_noise", "leaked_target")
    ignore: tuple[str, ...] = ()


class SearchSettings(Frozen):
    """A seeded random search over estimator parameters: name → list of candidate values."""

    iterations: int = Field(default=10, ge=1, le=1000)
    params: dict[str, list[Any]] = Field(default_factory=dict)


class EstimatorSettings(Frozen):
    """What is trained: an import path, or `file.py:factory` of the user's; parameters; types skops may load."""

    type: str = "auto"
    params: dict[str, Any] = Field(default_factory=dict)
    search: SearchSettings | None = None
    seed: int = 0
    trusted_types: tuple[str, ...] = ()


class LimitSettings(Frozen):
    """What a training child may use."""

    train_time: Duration = 3600.0
    train_memory: Size = 8 * 10**9
    train_threads: int = Field(default=1, ge=1)
    max_file: Size = 50 * 10**9


class RetentionSettings(Frozen):
    """What is kept besides the champion, its predecessor and pinned versions, and for how long. Snapshots that a window
    or a kept version needs stay longer."""

    versions: int = Field(default=10, ge=2)
    pinned: tuple[str, ...] = ()
    snapshots: Duration = 365 * 86400.0
    snapshots_size: Size | None = None
    predictions: Duration = 90 * 86400.0
    quarantine: Duration = 90 * 86400.0
    reports: Duration = 90 * 86400.0
    history: Duration = 730 * 86400.0
    files: Duration | None = None


class ServingSettings(Frozen):
    """How requests are judged, and what computes the answers."""

    contract: Literal["lenient", "strict"] = "lenient"
    runtime: Literal["auto", "scikit-learn"] = "auto"


class PredictionLogSettings(Frozen):
    """Which answered rows are kept, how much disk they and the data files made of them may take, and how often what was
    kept becomes a data file."""

    share: float = Field(default=1.0, ge=0, le=1)
    keep: Size = 10**9
    every: Duration = 3600.0


class IntakeSettings(Frozen):
    """How the data folder is read."""

    patterns: tuple[str, ...] = (
        "*.csv", "*.csv.gz", "*.csv.zst", "*.parquet", "*.jsonl", "*.ndjson", "*.jsonl.gz", "*.jsonl.zst",
    )  # fmt: skip
    recursive: bool = True
    settle: Duration = 1.0
    watch: Literal["events", "polling"] = "events"
    rescan: Duration = 60.0
    delimiter: str | None = None
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-8"
    max_reject_share: float = Field(default=0.5, ge=0, le=1)


class ModelSettings(Frozen):
    """A configured thing to keep good."""

    data_dir: str
    task: Literal["classification", "regression"]
    target: str
    columns: dict[str, ColumnSettings] | None = None
    time_column: str | None = None
    id_column: str | None = None
    metric: str = "auto"
    mode: Literal["auto", "approve", "observe"] = "auto"
    check_schedule: str | None = None
    check_window: Duration = 30 * 86400.0
    retrain_schedule: str | None = None
    intake: IntakeSettings = IntakeSettings()
    drift: DriftSettings = DriftSettings()
    triggers: TriggerSettings = TriggerSettings()
    window: WindowSettings = WindowSettings()
    gate: GateSettings = GateSettings()
    probation: ProbationSettings = ProbationSettings()
    rollout: RolloutSettings = RolloutSettings()
    layers: LayerSettings = LayerSettings()
    suspicion: SuspicionSettings = SuspicionSettings()
    estimator: EstimatorSettings = EstimatorSettings()
    limits: LimitSettings = LimitSettings()
    retention: RetentionSettings = RetentionSettings()
    serving: ServingSettings = ServingSettings()
    prediction_log: PredictionLogSettings = PredictionLogSettings()

    @field_validator("columns", mode="before")
    @classmethod
    def _short_columns(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: {"type": spec} if isinstance(spec, str) else spec for name, spec in value.items()}
        return value
