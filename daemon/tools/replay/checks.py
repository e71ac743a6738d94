"""The drift checks of a replay: each arriving batch against the reference of the newest served version."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daemon.tools.replay.record import Run
from daemon.tools.replay.source import BatchFile
from daemon.tools.replay.training import written
from drift.profiles.reference import Reference
from retrain.model.deployment import LoadedDeployment
from retrain.model.version import LoadedVersion
from retrain.monitoring.cache import Memory
from retrain.monitoring.champion import MonitoredDeployment, monitored_whole, predict_snapshots, write_predictions
from retrain.monitoring.check import drift_report
from retrain.monitoring.expected import is_adjusted
from retrain.monitoring.prepared import prepared_snapshots
from retrain.monitoring.reference import version_reference
from retrain.monitoring.unseen import Unseen, unseen_predictions
from retrain.operations import AcceptedFile
from retrain.records.finished_check import FinishedCheck
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings
from retrain.stages.prepare import Prepared


@dataclass
class Checks:
    """References by version, with what each said of rows that it did not see; and since the last promotion the evidence
    and whether data drifts."""

    schema: Schema
    settings: ModelSettings
    run: Run
    references: dict[str, Reference] = field(default_factory=dict)
    unseen: dict[str, Unseen] = field(default_factory=dict)
    memory: Memory = field(default_factory=lambda: Memory(2))
    evidence: list[FinishedCheck] = field(default_factory=list)
    drifting: bool = False

    def promoted(self, version: LoadedVersion, prepared: Prepared) -> None:
        """Compare with a new version's rows from now on."""
        self.drifting, self.evidence = False, []
        with self.run.clock.during("checks"), written(prepared) as (train, holdout):
            unseen = unseen_predictions(version, train, holdout, self.settings)
            self.references[version.name] = version_reference(version, train, holdout, self.settings, unseen)
            self.unseen[version.name] = unseen

    def suspect(self, file: AcceptedFile, place: int, predictions: Path | None) -> None:
        """Hold a suspicious batch."""
        self.run.suspects.judge(file, place, predictions, self.schema, self.settings)

    def check(
        self, file: AcceptedFile, batch: BatchFile, served: LoadedDeployment, learned: Sequence[AcceptedFile]
    ) -> None:
        """The drift check of a batch that was taken in as a file, and whether it is suspicious; `learned` are the files
        that the newest version could learn from."""
        reference = self.references.get(served.newest)
        if reference is None:
            return
        with self.run.clock.during("checks"):
            judged = self._judged(MonitoredDeployment(served, reference), learned)
            notes: list[str] = []
            predicted = predict_snapshots(judged, [batch.unlabelled], notes)
            with prepared_snapshots(judged.version, [batch.unlabelled], batch.unlabelled.parent) as prepared:
                report = drift_report(judged, prepared, self.settings, predicted, notes)
            if predicted is not None:
                path = batch.unlabelled.with_suffix(f".{served.newest}.predictions")
                self.suspect(file, batch.place, write_predictions(predicted, path))
        if report.drift and not self.drifting:
            self.run.drifts.append(batch.place)
        self.drifting = report.drift or (self.drifting and report.untested is not None)
        self.evidence.append(FinishedCheck(len(self.run.scores), file.seq, report.drift, tuple(report.drifted)))

    def _judged(self, alone: MonitoredDeployment, learned: Sequence[AcceptedFile]) -> MonitoredDeployment:
        """As `retrain.monitoring.champion.load_monitored` has it."""
        served, seed = alone.loaded, self.settings.estimator.seed
        if not is_adjusted(served):
            return alone
        return monitored_whole(alone, self.unseen[served.newest], learned, seed, self.memory)
