"""What the assessment of files and the proposal of what to serve have in common: rows, versions, their predictions and
losses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.metrics.losses import row_losses
from retrain.metrics.metric import Metric
from retrain.model.deployment import LoadedDeployment
from retrain.model.recalibration import Recalibration, class_shares, decision_for
from retrain.model.version import LoadedVersion
from retrain.monitoring.cache import Memory
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.records.settings import ModelSettings
from retrain.rows.history import Batch, History

Mask = NDArray[np.bool_]
FEWEST_ROWS = 20
"""Labelled rows of a file on which losses are compared; on fewer their mean says little."""
SHARE_FILES = 4
"""The newest labelled files from which the classes' shares are estimated."""


@dataclass(frozen=True, eq=False)
class Assessor:
    """Rows, what is served, and the archive (versions by name). `before` is the last proposal for this model, {} at
    first; `twin_window` is the window that the planner watches, whose twins are made for each file, the others' for
    every second; `predecessor` was served before the last promotion, `challenger` is on trial beside `served`."""

    history: History
    served: LoadedDeployment
    archive: Mapping[str, LoadedVersion]
    settings: ModelSettings
    before: Mapping[str, Any]
    memory: Memory
    twin_window: str = "all"
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
        return wanted and self.settings.adaptation.recalibration

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
        """The rows that none of these versions was trained on; None where one was trained on all."""
        valid = np.ones(batch.table.num_rows, dtype=bool)
        for version in versions:
            if batch.digest in version.training["prepare"].get("reserved_snapshots", ()):
                valid &= batch.reserved
            elif batch.digest in version.training["snapshots"]:
                return None
        return valid

    def losses(self, predictions: Predictions, y: Labels, rows: Mask) -> Floats | None:
        """The metric's loss of each of these rows; None where the metric has none on them."""
        return row_losses(self.metric, y[rows], predictions.take(rows))

    def decision(self, up_to: int) -> Recalibration | None:
        """Where the metric rewards it, the decision by the classes' shares in the newest labelled files."""
        version = self.served.version
        if not self.balanced or version.classes is None:
            return None
        files = self.history.newest_labelled(SHARE_FILES, up_to)
        labels = [self.labels(self.history.batch(seq).labelled()) for seq in files]
        shares = dict(zip(version.baseline.classes or (), version.baseline.probabilities or (), strict=True))
        return decision_for(class_shares(np.concatenate(labels), shares) if labels else shares, version.classes)


def decided(predictions: Predictions, decision: Recalibration | None) -> Predictions:
    """With the decision that the metric rewards: so that versions are compared by what they know, not by where they
    happen to put the threshold."""
    return predictions if decision is None else decision.apply(predictions)


def version_predictions(versions: Mapping[str, LoadedVersion], batch: Batch, memory: Memory) -> dict[str, Predictions]:
    """Of a batch's rows, by version; what was computed before is kept in `memory`."""

    def of(name: str, version: LoadedVersion) -> Predictions:
        key = ("predictions", name, batch.digest, batch.table.num_rows)
        predictions: Predictions = memory.get(key, lambda: version.predict_table(batch.table))
        return predictions

    return {name: of(name, version) for name, version in versions.items()}
