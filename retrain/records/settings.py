"""What a user may configure about a model, with every default; parsed once into frozen objects.

The line below a key is its description: docs/configuration.md (`make docs`) and `driftd init` have it from here."""

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

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ColumnSettings(Frozen):
    """One declared column; `name = "number"` is short for `name = {type = "number"}`."""

    type: ColumnKind
    """`number`, `integer`, `boolean`, `category`, `datetime` or `text`: sentences, stored and compared by checks
    (length, emptiness, trigrams), [never learned from](drift.md#columns)."""
    min: float | None = None
    """Smallest valid value; smaller ones are counted in the file's quality report."""
    max: float | None = None
    """Largest valid value."""
    categories: tuple[str, ...] | None = None
    """The valid categories; others are counted."""
    nullable: bool = True
    """`false`: a row without a value is set aside."""
    feature: bool = True
    """`false`: read and stored, not learned from."""

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
    """How often a whole check may alarm by chance, all its tests together; [what that covers](drift.md)."""
    min_effect: float = Field(default=0.05, ge=0, le=1)
    """A smaller difference (KS distance or total variation) never counts."""
    min_rows: int = Field(default=50, ge=2)
    """Fewer rows are not tested."""
    ignore: tuple[str, ...] = ()
    """Columns that are not compared."""
    weights: Literal["equal", "importance"] = "equal"
    """How the columns share the budget: `equal`, or `importance`: half of it by the champion's permutation importance,
    half equally."""
    calendar: bool = False
    """Also compare hour and weekday (UTC) of dates, the time column's too; from the next version on."""
    multivariate: bool = False
    """Scheduled checks also test all columns together, [beside the
    verdict](drift.md#all-columns-together-in-the-daemon)."""
    detector: Literal["adwin", "page_hinkley", "none"] = "adwin"
    """Watches the errors of labelled rows from file to file: `adwin`, `page_hinkley` or `none`; [which and
    why](streaming-detectors.md#in-the-daemon)."""

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
    """The price of a retrain, as a share of the model's own loss on a file: a cycle opens when a fresh model would have
    saved more, added up over the labelled files ([replay](replay.md) tells what a price would have done); `false`
    switches it off."""
    retrains: RetrainBudget = Budget(20.0, 100, None)
    """The budget of retrains that nobody ordered: per labelled files (`"10 per 100 batches"`) or per time (`"2 per
    week"`, `"1 per 12h"`); the price doubles with each retrain ahead of its pace, and none is opened more than two
    ahead."""
    drift_prior: float = Field(default=0.8, gt=0, le=1)
    """The price is this much of itself while the data drift: drift makes a gain more credible, it proves none; `1`
    leaves it out."""
    on_drift: bool = False
    """Drift alone opens a cycle."""
    on_performance: bool = False
    """A drop of the metric on labelled rows alone opens a cycle."""
    min_drop: float = Field(default=0.02, ge=0)
    """Smallest drop that counts, in the metric's unit."""
    max_age: Duration | None = None
    """The champion's age that opens a cycle."""
    new_rows: int | None = Field(default=None, ge=1)
    """Number of new labelled rows that opens a cycle."""
    growth: Growth = 2.0
    """So many times the labelled rows that the champion's training could choose from open a cycle, within the budget;
    `false`: never."""
    cooldown: Duration = 1.0
    """At least this long between two cycles, except by hand."""
    min_new_rows: int = Field(default=1, ge=1)
    """Fewer new labelled rows open no cycle, except by hand."""
    first_rows: int = Field(default=500, ge=10)
    """Labelled rows that the first model needs."""
    first_class_rows: int = Field(default=20, ge=2)
    """Labelled rows of each of two classes that the first model of a classification needs."""
    max_attempts: int = Field(default=3, ge=1, le=100)
    """Times that a stage is tried."""
    retry_after: Duration = 10.0
    """The pause before the second attempt; twice as long before the third."""


class WindowSettings(Frozen):
    """Which rows train: all, those of the last duration or files, all with decaying weights, or whichever of these the
    evidence of the newest files favours ("auto")."""

    kind: Literal["auto", "all", "last", "files", "decay"] = "auto"
    """Which rows train: `all`, `last` (a duration), `files` (a number), `decay` (all, older ones weigh less), or
    `auto`: decaying weights, but the last files only, or all rows alike, where twins of the newest files show that this
    is better."""
    last: Duration | None = None
    """How far back the rows reach that train, for `kind = "last"`, by event time."""
    files: int | None = Field(default=None, ge=1)
    """How many of the newest files train, for `kind = "files"`."""
    half_life_files: float = Field(default=6.0, gt=0)
    """For `decay`: a row so many files back weighs half."""
    max_rows: int = Field(default=2_000_000, ge=100)
    """Only the newest so many rows train."""
    holdout_min_rows: int = Field(default=50, ge=10)
    """A fifth of the two newest files is held out; where that is fewer rows, of more files, and fewer than this cannot
    compare anyone."""
    deduplicate: Literal["auto", "id", "rows", "none"] = "auto"
    """`id`, `rows` (equal in every column), `none`; auto: by id, else by rows where a number or time makes equality by
    chance unlikely."""

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
    """A challenger that is worse than the champion by more than so many standard errors is not promoted."""
    slices: tuple[str, ...] = ()
    """Columns: a challenger that is so much worse for any one of their values is not promoted either."""
    min_slice_rows: int = Field(default=100, ge=10)
    """Smaller slices are not judged."""


class ProbationSettings(Frozen):
    """How long a promotion is watched, and how sure must be that its predecessor is better before it is undone."""

    files: int = Field(default=8, ge=0)
    """So many labelled files after a promotion its predecessor is compared with it; `0`: never."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """How often a promotion that did no harm may be rolled back by chance, however many files are looked at."""


class RolloutSettings(Frozen):
    """How a challenger that passed the gate becomes the champion: at once, or after a trial in which its answers are
    recorded beside the champion's ("shadow") or returned to a share of the requests ("canary")."""

    strategy: Literal["direct", "shadow", "canary"] = "direct"
    """`direct`: at once; `shadow`: the challenger answers too, unseen; `canary`: it answers a share of the requests."""
    share: float | None = Field(default=None, gt=0, le=1)
    """The share of the requests that the challenger sees: sticky by the first row's id, else by counting; without it
    all in shadow, 0.1 as canary."""
    period: Duration = 3600.0
    """At least this long on trial."""
    min_rows: int = Field(default=100, ge=0)
    """It passes no earlier than after so many rows that the challenger answered."""
    longest: Duration = 86400.0
    """After this it is decided by what was seen, however few rows."""
    max_failures: int = Field(default=0, ge=0)
    """Requests on which the challenger may fail; one more drops it at once (the champion answers them)."""

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
    """So many of the newest versions may be served again, blended by how they do on the newest labelled rows; `1`: only
    the newest."""
    members: int = Field(default=3, ge=1)
    """At most so many of them answer a request: its cost is that many models."""
    recalibration: bool = True
    """Shift what is served (class probabilities, or a line through numbers) while that helped one file ahead."""


SuspicionKind = Literal["duplicated_rows", "unit_bug", "label_noise", "leaked_target"]


class SuspicionSettings(Frozen):
    """Which new files are held before they teach anything, and how many alike in a row are a new normal."""

    hold: bool = True
    """A new file that looks poisoned is [held](suspicious-files.md): checked, but it teaches nobody."""
    release_after: int = Field(default=3, ge=1)
    """So many files in a row with the same kind of doubt are a new normal: they are let in by themselves."""
    kinds: tuple[SuspicionKind, ...] = ("duplicated_rows", "unit_bug", "label_noise", "leaked_target")
    """The doubts that count."""
    ignore: tuple[str, ...] = ()
    """Columns that raise no doubt."""


class SearchSettings(Frozen):
    """A seeded random search over estimator parameters: name → list of candidate values."""

    iterations: int = Field(default=10, ge=1, le=1000)
    """How many combinations are tried."""
    params: dict[str, list[Any]] = Field(default_factory=dict)
    """The candidate values of each parameter."""


class EstimatorSettings(Frozen):
    """What is trained: an import path, or `file.py:factory` of the user's; parameters; types skops may load."""

    type: str = "auto"
    """HistGradientBoosting; or an import path such as `sklearn.linear_model.LogisticRegression`; or `file.py:factory`,
    relative to this file, which gets the parameters."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The estimator's parameters."""
    search: SearchSettings | None = None
    """`{ iterations = 10, params = { max_depth = [3, 6] } }`: a seeded random search, judged on the newest training
    rows."""
    seed: int = 0
    """Seed of everything random."""
    trusted_types: tuple[str, ...] = ()
    """Types of your own that a model file may contain; never taken from the file."""


class LimitSettings(Frozen):
    """What a training child may use."""

    train_time: Duration = 3600.0
    """A stage that takes longer is stopped and tried again."""
    train_memory: Size = 8 * 10**9
    """Address space of the training process."""
    train_threads: int = Field(default=1, ge=1)
    """Threads of the training process."""
    max_file: Size = 50 * 10**9
    """Larger data files are refused."""


class RetentionSettings(Frozen):
    """What is kept besides the champion, its predecessor and pinned versions, and for how long. Snapshots that a window
    or a kept version needs stay longer."""

    versions: int = Field(default=10, ge=2)
    """Versions kept besides the champion, its predecessor and pinned ones."""
    pinned: tuple[str, ...] = ()
    """Versions that are never removed, such as `["v0003"]`."""
    snapshots: Duration = 365 * 86400.0
    """Age of data files whose rows go: from training, checks and the disk. Never one that the window may train on, that
    lies in `check_window`, that a kept version was made of, or of the newest hundred."""
    snapshots_size: Size | None = None
    """Bytes of snapshots of dropped files beyond which the oldest go, with the same exceptions."""
    predictions: Duration = 90 * 86400.0
    """Age of what was predicted for the rows of a file when it was checked."""
    quarantine: Duration = 90 * 86400.0
    """Age of rejected rows; how many there were stays."""
    reports: Duration = 90 * 86400.0
    """Age of the columns of checks that found no drift; that they ran, and their performance, stays."""
    history: Duration = 730 * 86400.0
    """Age of checks, assessments of labels, and the stages of cycles that left no stored version."""
    files: Duration | None = None
    """Age of rows of the ledger about files that are gone from the data folder, and of which nothing else is left.
    Without it they stay, some hundred bytes each, so that the same content is never taken twice; with it, content that
    comes back later is new. At least as long as `history` to have an effect on accepted files."""


class ServingSettings(Frozen):
    """How requests are judged, and what computes the answers."""

    contract: Literal["lenient", "strict"] = "lenient"
    """`strict` refuses requests with values that the schema declares invalid, see
    [HTTP](http.md#post-modelsmpredict)."""
    runtime: Literal["auto", "scikit-learn"] = "auto"
    """Boosted trees are answered by treelite where it gives scikit-learn's bits, see [serving](serving.md);
    `scikit-learn` switches that off."""


class PredictionLogSettings(Frozen):
    """Which answered rows are kept, how much disk they and the data files made of them may take, and how often what was
    kept becomes a data file."""

    share: float = Field(default=1.0, ge=0, le=1)
    """The share of the rows that is kept: by their ids, always the same ones; rows without an id are counted. `0`
    switches it off."""
    keep: Size = 10**9
    """Disk for the log and the data files made of it together; beyond it the oldest go, out of training too. A file
    counts as at least 64 KB."""
    every: Duration = 3600.0
    """What is kept becomes a data file at least this often, besides at each scheduled check, once there are
    `drift.min_rows`."""


class IntakeSettings(Frozen):
    """How the data folder is read."""

    patterns: tuple[str, ...] = (
        "*.csv", "*.csv.gz", "*.csv.zst", "*.parquet", "*.jsonl", "*.ndjson", "*.jsonl.gz", "*.jsonl.zst",
    )  # fmt: skip
    """Names of data files."""
    recursive: bool = True
    """Look into sub-folders; hidden ones and links to folders are left out, a link to a file is followed."""
    settle: Duration = 1.0
    """A file is taken when two looks this far apart agree."""
    watch: Literal["events", "polling"] = "events"
    """`polling` for network file systems."""
    rescan: Duration = 60.0
    """Look at the whole folder at least this often; less often as it grows, so that it costs under 0.5 %."""
    delimiter: str | None = None
    """Between the fields of a CSV file; without it comma, semicolon, tab or bar is found by the header."""
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-8"
    """Of text files: `utf-8`, `latin-1` or `utf-16`."""
    max_reject_share: float = Field(default=0.5, ge=0, le=1)
    """A file with a larger share of bad rows is refused whole."""


class ModelSettings(Frozen):
    """A configured thing to keep good."""

    data_dir: str
    """The folder that files are dropped into; read, never changed."""
    task: Literal["classification", "regression"]
    """`classification` (two classes or more) or `regression`."""
    target: str
    """The column to predict; a file without it is valid and unlabelled."""
    columns: dict[str, ColumnSettings] | None = None
    """The schema, see below; left out, it is inferred from the first file and then fixed."""
    time_column: str | None = None
    """Event time: windows and held-out rows go by it; without it, by the order of arrival."""
    id_column: str | None = None
    """Names a row: duplicates are found by it, and labels may arrive later."""
    metric: str = "auto"
    """Classification: `balanced_accuracy` (auto), `roc_auc` (auto where the rarer of two classes is under 20 %),
    `accuracy`, `average_precision`, `f1_macro`, `log_loss`, `brier`; regression: `relative_mae` (auto), `mae`, `rmse`,
    `r2`; or `file.py:function`."""
    mode: Literal["auto", "approve", "observe"] = "auto"
    """`auto` promotes by itself; `approve` waits for `driftd approve`; `observe` only tells what it would do, also for
    the first model."""
    check_schedule: str | None = None
    """Cron expression: checks the recent window, besides every file."""
    check_window: Duration = 30 * 86400.0
    """How far the recent window reaches back from the newest row."""
    retrain_schedule: str | None = None
    """Cron expression: retrains if there are new labelled rows."""
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
