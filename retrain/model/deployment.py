"""A deployment in memory: versions with their weights behind one recalibration, answering as one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from retrain.model.decision import configured_decision
from retrain.model.recalibration import Recalibration, decision_for
from retrain.model.version import LoadedVersion
from retrain.operations import StoredDeployment
from retrain.records.predictions import Predictions
from retrain.records.settings import ModelSettings

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class LoadedDeployment:
    """`weights` by version name, the heaviest first; `versions` holds these and `newest`, the version whose schema and
    metric count: the one that the model's last promotion brought, which need not answer; in a server, which loads only
    what answers, the heaviest."""

    versions: Mapping[str, LoadedVersion]
    weights: Mapping[str, float]
    newest: str
    recalibration: Recalibration | None = None

    @property
    def version(self) -> LoadedVersion:
        """The newest version."""
        return self.versions[self.newest]

    @property
    def members(self) -> tuple[LoadedVersion, ...]:
        """The versions that answer."""
        return tuple(self.versions[name] for name in self.weights)

    def answer(self, predictions: Mapping[str, Predictions]) -> Predictions:
        """The recalibrated blend of its members' predictions, by name."""
        from retrain.model.blend import blend

        raw = blend([predictions[name] for name in self.weights], list(self.weights.values()))
        return raw if self.recalibration is None else self.recalibration.apply(raw)

    def predict_table(self, table: "pa.Table") -> Predictions:
        """Of a snapshot's table."""
        return self.answer({name: self.versions[name].predict_table(table) for name in self.weights})


def load_deployment(stored: StoredDeployment, load: Callable[[Path], LoadedVersion]) -> LoadedDeployment:
    """The deployment in memory; `load` takes a version's folder."""
    weights = dict(sorted(stored.weights.items(), key=lambda member: -member[1]))
    versions = {name: load(stored.path(name)) for name in {**weights, stored.newest: 1.0}}
    return LoadedDeployment(versions, weights, stored.newest, Recalibration.from_json(stored.recalibration))


def fair_decision(version: LoadedVersion, settings: ModelSettings) -> Recalibration | None:
    """The configured decision, as the version's evaluation recorded it; else that by the classes' shares among its
    training rows, where the metric rewards it: what is served gets it within one labelled file, so versions are
    compared with it. What is recorded of a version that is served elsewhere is as it is."""
    if version.is_recorded:
        return None
    if (rule := _configured(version, settings)) is not None:
        return rule
    if not settings.adaptation.recalibration or version.metric.name != "balanced_accuracy" or version.classes is None:
        return None
    baseline = version.baseline
    shares = dict(zip(baseline.classes or (), baseline.probabilities or (), strict=True))
    return decision_for(shares, version.classes)


def _configured(version: LoadedVersion, settings: ModelSettings) -> Recalibration | None:
    """The configured decision; a threshold that is chosen is the one that was recorded, if it is of the same class."""
    if version.classes is None:
        return None
    rule = configured_decision(settings.decision, version.classes)
    if rule is None:
        return None
    recorded = Recalibration.from_json(version.evaluation.get("decision"))
    chosen = None if recorded is None else recorded.rule
    if rule.chosen and chosen is not None and chosen.chosen and chosen.positive == rule.positive:
        rule = replace(rule, threshold=chosen.threshold)
    return Recalibration(version.classes, rule=rule)
