"""What the assessment of files and the proposal of what to serve have in common: rows, versions, their predictions and
losses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.metrics.losses import row_losses
from retrain.metrics.metric import Metric, weighted
from retrain.model.accelerate import by_bins
from retrain.model.blend import concatenate
from retrain.model.deployment import LoadedDeployment, fair_decision
from retrain.model.recalibration import Recalibration, class_shares, decision_for
from retrain.model.threshold import chosen
from retrain.model.version import LoadedVersion
from retrain.monitoring.cache import Memory
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.records.settings import ModelSettings
from retrain.rows.history import Batch, History
from retrain.rows.seen import was_seen

Mask = NDArray[np.bool_]
FEWEST_ROWS = 20
"""Labelled rows of a file on which losses are compared; on fewer their mean says little."""
SHARE_FILES = 4
"""The newest labelled files from which the classes' shares are estimated."""


@dataclass(frozen=True, eq=False)
class Assessor:
    """Rows, what is served, and the archive (versions by name). `before` is the last proposal for this model, {} at
    first; `twin_window` is the window that the planner watches; `calm` says that a fresh model would have saved nothing
    on the newest file, `usual_loss` what files cost (None: not known yet); `predecessor` was served before the last
    promotion, `challenger` is on trial beside `served`."""

    history: History
    served: LoadedDeployment
    archive: Mapping[str, LoadedVersion]
    settings: ModelSettings
    before: Mapping[str, Any]
    memory: Memory
    twin_window: str = "all"
    calm: bool = False
    usual_loss: float | None = None
    predecessor: LoadedDeployment | None = None
    challenger: LoadedDeployment | None = None

    @property
    def metric(self) -> Metric:
        """The model's metric."""
        return self.served.version.metric

    @property
    def balanced(self) -> bool:
        """Whether the decision follows the classes' shares, as the metric rewards."""
        wanted = self.metric.name == "balanced_accuracy" and self.settings.task == "classification"
        return wanted and self.settings.adaptation.recalibration and not self.settings.decision.configured

    def labels(self, batch: Batch) -> Labels:
        """Of a batch's rows, (n,)."""
        return batch.labels(self.history.schema)

    def predictions(self, versions: Mapping[str, LoadedVersion], batch: Batch) -> dict[str, Predictions]:
        """Of a batch's rows, by version."""
        return version_predictions(versions, batch, self.memory)

    def answer(self, deployment: LoadedDeployment, batch: Batch) -> Predictions:
        """A deployment's predictions of a batch's rows."""
        return deployment.answer(self.predictions(deployment.versions, batch))

    def unseen(self, versions: Sequence[LoadedVersion], batch: Batch) -> Mask | None:
        """The rows that none of these versions was trained on; None where there are none."""
        valid = np.ones(batch.table.num_rows, dtype=bool)
        numbers = batch.table.column("__row").to_numpy()
        for version in versions:
            for part in batch.parts:
                rows = slice(part.start, part.stop)
                valid[rows] &= ~trained_on(version, part.digest, numbers[rows], batch.reserved[rows])
        return valid if valid.any() else None

    def losses(self, predictions: Predictions, y: Labels, rows: Mask, weights: Floats | None = None) -> Floats | None:
        """The metric's loss of each of these rows, of which each counts as much as `weights` (n,) say (None: all
        alike); None where the metric has none on them."""
        metric = weighted(self.metric, None if weights is None else weights[rows])
        return row_losses(metric, y[rows], predictions.take(rows))

    def decision(self, up_to: int) -> Recalibration | None:
        """The configured decision; else, where the metric rewards it, that by the classes' shares in the newest
        labelled files; by those of the training rows where the labels are of one class, or their rows not like the
        others."""
        version = self.served.version
        if version.is_recorded:
            return None
        if self.settings.decision.configured:
            return self._configured(version, up_to)
        if not self.balanced or version.classes is None:
            return None
        batches = self.history.newest_pools(SHARE_FILES, up_to, representative=True)
        found: Recalibration = self.memory.get(
            ("balanced", version.name, *self._labels_of(batches)), lambda: self._balanced(version, batches)
        )
        return found

    def _labels_of(self, batches: Sequence[Batch]) -> tuple[Any, ...]:
        """What tells the labels of these batches from others."""
        files = tuple((batch.seq, batch.rows_key) for batch in batches)
        return files, *(self.history.labels_key([part.seq for part in batch.parts]) for batch in batches)

    def _balanced(self, version: LoadedVersion, batches: Sequence[Batch]) -> Recalibration:
        labels = [self.labels(batch) for batch in batches]
        shares = dict(zip(version.baseline.classes or (), version.baseline.probabilities or (), strict=True))
        y = np.concatenate(labels) if labels else np.array([])
        several = len(np.unique(y.astype(np.str_))) > 1
        return decision_for(class_shares(y, shares) if several else shares, version.classes or ())

    def _configured(self, version: LoadedVersion, up_to: int) -> Recalibration | None:
        """As the newest version's, a threshold that is to be chosen by the newest labelled files."""
        decision = fair_decision(version, self.settings)
        if decision is None or decision.rule is None or not decision.rule.chosen:
            return decision
        batches = self.history.newest_pools(SHARE_FILES, up_to)
        key = ("decision", version.name, decision.rule, *self._labels_of(batches))
        found: Recalibration = self.memory.get(key, lambda: self._chosen(version, decision, batches))
        return found

    def _chosen(self, version: LoadedVersion, decision: Recalibration, batches: Sequence[Batch]) -> Recalibration:
        labels, said = [], []
        for batch in batches:
            valid = self.unseen([version], batch)
            if valid is not None:
                labels.append(self.labels(batch)[valid])
                said.append(self.predictions({version.name: version}, batch)[version.name].take(valid))
        if not labels or decision.rule is None:
            return decision
        rule = chosen(decision.rule, concatenate(said), np.concatenate(labels), self.metric)
        return replace(decision, rule=rule)


def trained_on(version: LoadedVersion, digest: str, numbers: NDArray[np.int64], reserved: Mask) -> Mask:
    """Which rows of a file, by their numbers (n,), a version was trained on; `reserved` (n,) are of the reservoir."""
    prepared = version.training["prepare"]
    reservoir = digest in prepared.get("reserved_snapshots", ())
    if not reservoir and digest not in version.training["snapshots"]:
        return np.zeros(len(numbers), dtype=bool)
    packed = (prepared.get("seen") or {}).get(digest)
    seen = np.ones(len(numbers), dtype=bool) if packed is None else was_seen(packed, numbers)
    return seen & ~reserved if reservoir else seen


def decided(predictions: Predictions, decision: Recalibration | None) -> Predictions:
    """With the decision that the metric rewards: so that versions are compared by what they know, not by where they
    happen to put the threshold."""
    return predictions if decision is None else decision.apply(predictions)


def version_predictions(versions: Mapping[str, LoadedVersion], batch: Batch, memory: Memory) -> dict[str, Predictions]:
    """Of a batch's rows, by version; what was computed before is kept in `memory`, and versions that make the same
    matrix of rows share it."""
    matrices = Memory(len(versions))

    def of(name: str, version: LoadedVersion) -> Predictions:
        def said() -> Predictions:
            if version.is_recorded:
                return version.predict_table(batch.table)
            X = matrices.get(version.preprocessor, lambda: version.matrix(batch.table))
            return version.task.predict(by_bins(version.estimator), X)

        predictions: Predictions = memory.get(("predictions", name, batch.rows_key), said)
        return predictions

    return {name: of(name, version) for name, version in versions.items()}
