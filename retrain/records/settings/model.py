"""The section of a model, with all of its own sections."""

from typing import Literal

from pydantic import AliasChoices, Field, field_validator

from retrain.records.settings import data, decisions, training
from retrain.records.settings.units import Duration, Frozen

METRICS = {
    "classification": (
        "balanced_accuracy", "accuracy", "roc_auc", "average_precision", "f1_macro", "log_loss", "brier",
    ),
    "regression": ("mae", "rmse", "r2", "mae_skill"),
}  # fmt: skip
"""By task, as `retrain.metrics.registry` computes them; here so that a configuration is read without it."""
FORMER_METRICS = {"relative_mae": "mae_skill"}
"""Names that configurations, versions and ledgers of before may have, and today's."""


class ModelSettings(Frozen):
    """A configured thing to keep good."""

    data_dir: str
    """The folder that files are dropped into; read, never changed."""
    task: Literal["classification", "regression"]
    """`classification` (two classes or more) or `regression`."""
    target: str
    """The column to predict; a file without it is valid and unlabelled."""
    columns: dict[str, data.ColumnSettings] | None = None
    """The schema, see below; left out, it is inferred from the first file and then fixed."""
    time_column: str | None = None
    """Event time: windows in days, the newest rows of `max_rows` and the recent past that is checked go by it; without
    it, by the order of arrival. Windows in files and held-out rows go by files."""
    id_column: str | None = None
    """Names a row: duplicates are found by it, and labels may arrive later."""
    metric: str = "auto"
    """Classification: `balanced_accuracy` (auto), `roc_auc` (auto where the rarer of two classes is under 20 %),
    `accuracy`, `average_precision`, `f1_macro`, `log_loss`, `brier`; regression: `mae_skill` (auto; the skill score of
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
    intake: data.IntakeSettings = data.IntakeSettings()
    drift: decisions.DriftSettings = decisions.DriftSettings()
    triggers: decisions.TriggerSettings = decisions.TriggerSettings()
    window: training.WindowSettings = training.WindowSettings()
    gate: decisions.GateSettings = decisions.GateSettings()
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
    prediction_log: data.PredictionLogSettings = data.PredictionLogSettings()

    @field_validator("metric")
    @classmethod
    def _todays_name(cls, value: str) -> str:
        return FORMER_METRICS.get(value, value)
