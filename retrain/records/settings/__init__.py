"""What a user may configure about a model, with every default; parsed once into frozen objects.

The line below a key is its description: docs/configuration.md (`make docs`) and `driftd init` have it from here."""

from retrain.records.settings.answer import DecisionSettings
from retrain.records.settings.data import ColumnKind, ColumnSettings, IntakeSettings, PredictionLogSettings
from retrain.records.settings.decisions import (
    DriftSettings,
    GroupSettings,
    RolloutSettings,
    SuspicionSettings,
    TriggerSettings,
)
from retrain.records.settings.events import RecommendationSettings
from retrain.records.settings.labels import LabelSettings, Maturity
from retrain.records.settings.model import FORMER_METRICS, METRICS, OF_PROBABILITIES, ModelSettings
from retrain.records.settings.source import SourceSettings
from retrain.records.settings.training import EstimatorSettings, SearchSettings, WindowSettings
from retrain.records.settings.units import Budget, Duration, Frozen, Size, Wait

__all__ = [
    "FORMER_METRICS", "METRICS", "OF_PROBABILITIES", "Budget", "ColumnKind", "ColumnSettings", "DecisionSettings",
    "DriftSettings", "Duration", "EstimatorSettings", "Frozen", "GroupSettings", "IntakeSettings", "LabelSettings",
    "Maturity", "ModelSettings", "PredictionLogSettings", "RecommendationSettings", "RolloutSettings", "SearchSettings",
    "Size", "SourceSettings", "SuspicionSettings", "TriggerSettings", "Wait", "WindowSettings",
]  # fmt: skip
