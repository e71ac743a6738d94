"""The section of a model, with all of its own sections."""

import shlex
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, field_validator, model_validator

from retrain.records.settings import data, decisions, events, training
from retrain.records.settings.answer import DecisionSettings
from retrain.records.settings.labels import LabelSettings
from retrain.records.settings.source import SourceSettings
from retrain.records.settings.units import Duration, Frozen
from retrain.records.store_uri import is_uri, why_no_store

METRICS = {
    "classification": (
        "balanced_accuracy", "accuracy", "roc_auc", "average_precision", "f1_macro", "log_loss", "brier", "cost",
    ),
    "regression": ("mae", "rmse", "r2", "mae_skill"),
    "recommendation": ("ndcg_at_10",),
}  # fmt: skip
"""By task, as `retrain.metrics.registry` computes them; here so that a configuration is read without it."""
OF_PROBABILITIES = ("roc_auc", "average_precision", "log_loss", "brier")
"""Metrics that go by probabilities alone, whichever class is answered."""
EVENT_TRIGGERS = {"growth": 1.7, "retrains": "15 per 100 batches"}
"""Defaults of a recommendation in place of those of TriggerSettings."""
FORMER_METRICS = {"relative_mae": "mae_skill"}
"""Names that configurations, versions and ledgers of before may have, and today's."""


def judged(task: str) -> str:
    """What versions of a task are compared on, in sentences.

    >>> judged("recommendation")
    'moment'
    """
    return "moment" if task == "recommendation" else "labelled row"


def _command(value: str | None) -> str | None:
    """A command as it is written; ValueError where it cannot be taken apart into words."""
    if value is not None:
        try:
            shlex.split(value)
        except ValueError as error:
            raise ValueError(f"expected a program and its arguments: {str(error).lower()}") from None
    return value


def _own_function(value: str | None) -> str | None:
    """A function of the user's; ValueError for another name."""
    path, _, function = (value or "").rpartition(":")
    if value is not None and not (path.endswith(".py") and function.isidentifier()):
        raise ValueError('expected a function of a file, as "features.py:prepare"')
    return value


class ModelSettings(Frozen):
    """A configured thing to keep good."""

    data_dir: str
    """The folder that files are dropped into; read, never changed. Or a prefix of an object store,
    [`s3://BUCKET/PREFIX`](data-files.md#data-in-an-object-store); needs `driftd[s3]`."""
    data_dir_file: str | None = None
    """Of a prefix: a file of lines `AWS_ACCESS_KEY_ID=…` that say how it is reached; without it the systemd credential
    `driftd-data-NAME`, and without that what holds for [`[service] store`](store.md)."""
    task: Literal["classification", "regression", "recommendation"]
    """`classification` (two classes or more), `regression`, or [`recommendation`](recommendation.md) of items to users,
    learned from a log of events."""
    target: str
    """The column to predict; a file without it is valid and unlabelled. A recommendation has `user_column` and
    `item_column` in its place."""
    user_column: str | None = None
    """Of a recommendation: who."""
    item_column: str | None = None
    """Of a recommendation: had to do with what."""
    value_column: str | None = None
    """Of a recommendation: a number such as a rating, judged by `positive`."""
    positive: float | None = None
    """An event with a smaller value is known to its user and teaches nothing."""
    event_column: str | None = None
    """Of a recommendation: the type of event, weighed by `event_weights`."""
    event_weights: Annotated[dict[str, float], AfterValidator(events.event_weights)] = Field(default_factory=dict)
    """What types of events count, as `{ view = 1, buy = 5, remove = 0 }`; others count 1, and what counts 0 is known to
    its user and teaches nothing."""
    items_file: str | None = None
    """Of a recommendation: a file of items, replaced as a whole: the item column, `available` (true or false) if there
    is such a column, and attributes to filter by; what it does not list is not recommended. A name in `data_dir`, or a
    path relative to this file, as `./items.csv`."""
    exclude_seen: Annotated[Literal["auto"] | bool | float, BeforeValidator(events.seen_items)] = "auto"
    """Of a recommendation: whether lists leave out what a user had to do with: `true`, `false`, for how long (`"30d"`),
    or `auto`: unless people choose such items again."""
    columns: dict[str, data.ColumnSettings] | None = None
    """The schema, see below; left out, it is inferred from the first file and then fixed."""
    time_column: str | None = None
    """Event time: windows in days, the newest rows of `max_rows` and the recent past that is checked go by it; without
    it, by the order of arrival. Windows in files and held-out rows go by files."""
    id_column: str | None = None
    """Names a row: duplicates are found by it, and labels may arrive later."""
    served: Literal["here", "elsewhere"] = "here"
    """`elsewhere`: [another system serves the model](elsewhere.md); what it predicted stands in the data files, which
    are watched."""
    prediction_column: str | None = None
    """Of a model that is served elsewhere: the column of what was predicted."""
    probability_columns: dict[str, str] = Field(default_factory=dict)
    """And of a classification the columns of the probabilities, by class: `{ no = "p_no", yes = "p_yes" }`; of two
    classes one of them is enough. Without them nothing can be estimated where labels are missing."""
    version_column: str | None = None
    """And the column that names the version that predicted: another one there begins a new reference."""
    challengers: bool = False
    """`true`: of a model that is served elsewhere, too, challengers are trained, and it is told whether one would have
    been better than what was predicted; nothing is served."""
    prepare: Annotated[str | None, AfterValidator(_own_function)] = None
    """[Preparation of your own](prepare.md), `features.py:prepare`, relative to this file: a function from a frame of
    the raw columns to a frame of those that the model learns from."""
    metric: str = "auto"
    """Classification: `balanced_accuracy` (auto), `roc_auc` (auto where the rarer of two classes is under 20 %),
    `accuracy`, `average_precision`, `f1_macro`, `log_loss`, `brier`, `cost` (auto where `decision.costs` are given: the
    mean cost of a row); regression: `mae_skill` (auto; the skill score of
    the mean absolute error, 1 − MAE / MAE of always answering the first training data's median: 0 is no better, 1 is
    perfect), `mae`, `rmse`, `r2`; or `file.py:function`."""
    mode: Literal["auto", "approve", "observe"] = "auto"
    """`auto` promotes by itself; `approve` waits for `driftd approve`; `observe` only tells what it would do, also for
    the first model."""
    check_schedule: str | None = None
    """Cron expression: checks the recent window, besides every file."""
    check_window: Duration = 30 * 86400.0
    """How far the recent window reaches back from the newest row."""
    retrain_schedule: str | None = None
    """Cron expression: retrains if there are new labelled rows."""
    on_promotion: Annotated[str | None, AfterValidator(_command)] = None
    """A [command](hooks.md) that is run after each promotion and roll-back, with what happened as JSON on its standard
    input: a program and its arguments, no shell. A relative path lies beside this file."""
    on_promotion_timeout: Duration = 60.0
    """After so long it is ended, with all that it began."""
    intake: data.IntakeSettings = data.IntakeSettings()
    source: SourceSettings | None = None
    """A section of its own: rows [of a database](sources.md), besides the data folder."""
    labels: LabelSettings = LabelSettings()
    drift: decisions.DriftSettings = decisions.DriftSettings()
    triggers: decisions.TriggerSettings = decisions.TriggerSettings()
    window: training.WindowSettings = training.WindowSettings()
    decision: DecisionSettings = DecisionSettings()
    gate: decisions.GateSettings = decisions.GateSettings()
    groups: decisions.GroupSettings = decisions.GroupSettings()
    probation: decisions.ProbationSettings = decisions.ProbationSettings()
    rollout: decisions.RolloutSettings = decisions.RolloutSettings()
    adaptation: decisions.AdaptationSettings = Field(
        default=decisions.AdaptationSettings(), validation_alias=AliasChoices("adaptation", "layers")
    )
    suspicion: decisions.SuspicionSettings = decisions.SuspicionSettings()
    estimator: training.EstimatorSettings = training.EstimatorSettings()
    limits: training.LimitSettings = training.LimitSettings()
    retention: data.RetentionSettings = data.RetentionSettings()
    serving: data.ServingSettings = data.ServingSettings()
    scoring: data.ScoringSettings = data.ScoringSettings()
    prediction_log: data.PredictionLogSettings = data.PredictionLogSettings()
    recommendation: events.RecommendationSettings = events.RecommendationSettings()

    @model_validator(mode="before")
    @classmethod
    def _chosen_item(cls, value: Any) -> Any:
        """What a recommendation predicts is the item; and since live counters carry most of what is new, its versions
        may be older than those of other tasks."""
        if not isinstance(value, dict) or value.get("task") != "recommendation":
            return value
        triggers = value.get("triggers", {})
        if isinstance(triggers, dict):
            triggers = {**EVENT_TRIGGERS, **triggers}
        return {"target": value.get("item_column") or "", **value, "triggers": triggers}

    @model_validator(mode="after")
    def _of_events(self) -> "ModelSettings":
        columns = {name: getattr(self, name) for name in ("user_column", "item_column", "value_column", "event_column")}
        if self.labels.negative is not None and self.task != "classification":
            raise ValueError(f"labels.negative names a class, and a {self.task} has none")
        if self.serving.explore and self.task != "classification":
            raise ValueError(f"serving.explore draws a class at random, and a {self.task} has none")
        if self.decision != DecisionSettings() and self.task != "classification":
            raise ValueError(f"decision chooses between classes, and a {self.task} has none")
        if self.groups != decisions.GroupSettings() and not self.gate.slices:
            raise ValueError('[groups] is of the columns gate.slices, and there are none: slices = ["region"]')
        if (self.groups.positive or self.groups.max_difference) and self.task != "classification":
            raise ValueError(f"groups.positive and groups.max_difference are of classes, and a {self.task} has none")
        if self.metric == "cost" and not self.decision.costs:
            raise ValueError('metric = "cost" needs decision.costs, as costs = { fraud = 50 }')
        if self.data_dir_file is not None and self.data_uri is None:
            raise ValueError("data_dir_file says how an object store is reached, and data_dir is a folder")
        if self.scoring.in_dir is not None and self.task == "recommendation":
            raise ValueError("[scoring] is of rows, and a recommendation answers with lists")
        if self.prepare is not None and self.is_elsewhere:
            own = "prepare makes the columns that driftd's own models learn from"
            raise ValueError(f"{own}; another system serves this")
        if self.prepare is not None and self.task == "recommendation":
            raise ValueError("prepare makes columns of rows, and a recommendation learns from events")
        if self.task != "recommendation":
            given = [name for name, column in columns.items() if column is not None]
            if given:
                raise ValueError(f'{given[0]} is of task = "recommendation", not of {self.task}')
            return self
        lacking = [name for name in ("user_column", "item_column", "time_column") if getattr(self, name) is None]
        if lacking:
            raise ValueError(f"a recommendation needs {' and '.join(lacking)}")
        for name, reason in (("columns", "its columns are named by"), ("id_column", "its events are told apart by")):
            if getattr(self, name) is not None:
                raise ValueError(f"a recommendation has no {name}; {reason} user_column, item_column and time_column")
        if self.labels != LabelSettings():
            raise ValueError("a recommendation has no [labels]: each event is its own label")
        if self.target != self.item_column:
            raise ValueError("a recommendation has no target; what is recommended is item_column")
        named = [column for column in (*columns.values(), self.time_column) if column is not None]
        if len(set(named)) < len(named):
            raise ValueError("a column is named twice among user_column, item_column, time_column and others")
        if (self.value_column is None) != (self.positive is None):
            raise ValueError("value_column and positive go together: an event with at least so much counts")
        if self.event_column is None and self.event_weights:
            raise ValueError("event_weights needs event_column")
        return self

    @property
    def is_elsewhere(self) -> bool:
        """Whether another system serves the model."""
        return self.served == "elsewhere"

    @property
    def row(self) -> str:
        """What a row that teaches is called in sentences."""
        return "event" if self.task == "recommendation" else "labelled row"

    @property
    def judged(self) -> str:
        """What versions are compared on, in sentences."""
        return judged(self.task)

    @property
    def data_uri(self) -> str | None:
        """The prefix of an object store that the data are in; None where they are in a folder."""
        return self.data_dir.rstrip("/") if is_uri(self.data_dir) else None

    @field_validator("data_dir")
    @classmethod
    def _folder_or_prefix(cls, value: str) -> str:
        if is_uri(value) and (why := why_no_store(value, "data_dir")) is not None:
            raise ValueError(f"{why}, or a folder")
        return value

    @field_validator("metric")
    @classmethod
    def _todays_name(cls, value: str) -> str:
        return FORMER_METRICS.get(value, value)
