"""What a user may configure about a model, with every default; parsed once into frozen objects.

The line below a key is its description: docs/configuration.md (`make docs`) and `driftd init` have it from here."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drift.columns.column_kind import ColumnKind
    from retrain.records.settings.answer import DecisionSettings
    from retrain.records.settings.data import ColumnSettings, IntakeSettings, PredictionLogSettings, ScoringSettings
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
    "Maturity", "ModelSettings", "PredictionLogSettings", "RecommendationSettings", "RolloutSettings",
    "ScoringSettings", "SearchSettings", "Size", "SourceSettings", "SuspicionSettings",
    "TriggerSettings", "Wait", "WindowSettings",
]  # fmt: skip

_PLACES = {
    "Budget": "retrain.records.settings.units",
    "ColumnKind": "drift.columns.column_kind",
    "ColumnSettings": "retrain.records.settings.data",
    "DecisionSettings": "retrain.records.settings.answer",
    "DriftSettings": "retrain.records.settings.decisions",
    "Duration": "retrain.records.settings.units",
    "EstimatorSettings": "retrain.records.settings.training",
    "FORMER_METRICS": "retrain.records.settings.model",
    "Frozen": "retrain.records.settings.units",
    "GroupSettings": "retrain.records.settings.decisions",
    "IntakeSettings": "retrain.records.settings.data",
    "LabelSettings": "retrain.records.settings.labels",
    "METRICS": "retrain.records.settings.model",
    "Maturity": "retrain.records.settings.labels",
    "ModelSettings": "retrain.records.settings.model",
    "OF_PROBABILITIES": "retrain.records.settings.model",
    "PredictionLogSettings": "retrain.records.settings.data",
    "RecommendationSettings": "retrain.records.settings.events",
    "RolloutSettings": "retrain.records.settings.decisions",
    "ScoringSettings": "retrain.records.settings.data",
    "SearchSettings": "retrain.records.settings.training",
    "Size": "retrain.records.settings.units",
    "SourceSettings": "retrain.records.settings.source",
    "SuspicionSettings": "retrain.records.settings.decisions",
    "TriggerSettings": "retrain.records.settings.decisions",
    "Wait": "retrain.records.settings.units",
    "WindowSettings": "retrain.records.settings.training",
}
"""Where each is: a command that needs one of them does not build the others."""


def __getattr__(name: str) -> Any:
    """Called by Python for what is not there yet."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found
