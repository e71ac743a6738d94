"""What is served as a check uses it: with its reference, and its predictions of snapshots."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drift.notation import counted
from drift.profiles.reference import Reference
from retrain import durable
from retrain.model.blend import concatenate
from retrain.model.deployment import LoadedDeployment, load_deployment
from retrain.model.version import LoadedVersion
from retrain.monitoring.cache import Memory, loaded_version
from retrain.monitoring.evaluated import load_unseen
from retrain.monitoring.expected import expected_answers, expected_estimate, expected_reference, is_adjusted
from retrain.monitoring.unseen import Unseen
from retrain.operations import AcceptedFile, StoredDeployment
from retrain.records.predictions import Floats, Predictions
from retrain.rows.columns import open_snapshot
from retrain.rows.withheld import without_classes
from retrain.store.versions import load_estimate, load_reference

BATCH_ROWS = 65_536
"""Rows that are predicted at a time, to bound memory."""
ESTIMATED_ROWS = 20_000
"""Rows whose features are kept for the estimate at most."""


@dataclass(frozen=True, eq=False)
class MonitoredDeployment:
    """What is served, what it is compared with, and what estimates its performance without labels (None: nothing).
    `whole`: outputs and estimate are of what is served; else of its newest version, as it was when it was made."""

    loaded: LoadedDeployment
    reference: Reference
    estimate: Mapping[str, Any] | None = None
    whole: bool = True

    @property
    def version(self) -> LoadedVersion:
        """The newest version, which the last promotion brought."""
        return self.loaded.version

    @property
    def needs_features(self) -> bool:
        """Whether the estimate reads features besides predictions."""
        return self.estimate is not None and self.estimate["method"] == "DLE"

    def said(self, predicted: "Predicted") -> Predictions:
        """The predictions that outputs and estimate are of."""
        return predicted.blended if self.whole else predicted.first


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions of n rows by the newest version alone and by all blended; `rows` are their numbers. `withheld` says
    whose label is of a class that does not count: it is missing in `labels`. `matrix` holds the newest version's
    features of every `step`-th row where an estimate reads them."""

    first: Predictions
    blended: Predictions
    rows: np.ndarray[Any, Any]
    labels: pa.ChunkedArray
    withheld: np.ndarray[Any, Any]
    matrix: Floats | None = None
    step: int = 1


def load_monitored(
    deployment: StoredDeployment, trusted_types: tuple[str, ...], files: Sequence[AcceptedFile] = (), seed: int = 0
) -> MonitoredDeployment:
    """What is served, with what the store holds of its newest version; what was loaded before is not loaded again,
    since a version cannot change. Where it is adjusted, outputs and estimate are made of what is served, by rows of the
    `files` that the newest version was made of."""
    loaded = load_deployment(deployment, lambda path: loaded_version(path, trusted_types))
    version = loaded.version
    alone = MonitoredDeployment(loaded, _reference(version.folder), load_estimate(version.folder))
    if not is_adjusted(loaded):
        return alone
    return monitored_whole(alone, load_unseen(version), files, seed, _MEMORY)


def monitored_whole(
    alone: MonitoredDeployment, unseen: Unseen | None, files: Sequence[AcceptedFile], seed: int, memory: Memory
) -> MonitoredDeployment:
    """An adjusted deployment with outputs and estimate of what is served, where `unseen` rows of its newest version, in
    these files, are enough to tell them."""
    served = alone.loaded
    what = served.version.folder, served.newest, tuple(served.weights.items()), served.recalibration
    by_seq = {file.seq: file for file in files}
    key = (*what, *(file.digest for file in files))
    made = memory.get(key, lambda: _whole(alone, unseen, by_seq, seed))
    reference, estimate, whole = made
    return replace(alone, reference=reference, estimate=estimate, whole=whole)


def _whole(
    alone: MonitoredDeployment, unseen: Unseen | None, files: Mapping[int, AcceptedFile], seed: int
) -> tuple[Reference, Mapping[str, Any] | None, bool]:
    expected = None if unseen is None else expected_answers(alone.loaded, unseen, files)
    if expected is None:
        return alone.reference, alone.estimate, False
    estimate = None if alone.estimate is None else expected_estimate(alone.version, expected, seed)
    return expected_reference(alone.reference, expected), estimate, True


def predict_snapshots(
    champion: MonitoredDeployment, snapshots: list[Path], notes: list[str], withheld: Sequence[str] = ()
) -> Predicted | None:
    """The champion's predictions of all rows, in batches; None where there are none. Labels of `withheld` classes are
    taken for missing."""
    first: list[Predictions] = []
    blended: list[Predictions] = []
    rows: list[Any] = []
    labels: list[Any] = []
    features: list[Floats] = []
    step = _step(snapshots) if champion.needs_features else 1
    seen = 0
    for path in snapshots:
        for table in snapshot_batches(path, champion.loaded.versions.values(), notes):
            predictions = {name: version.predict_table(table) for name, version in champion.loaded.versions.items()}
            first.append(predictions[champion.loaded.newest])
            blended.append(champion.loaded.answer(predictions))
            rows.append(table["__row"].to_numpy())
            labels.append(_label_column(table, champion.version.schema.target))
            if champion.needs_features:
                chosen = pa.array(np.arange(-seen % step, len(table), step))
                features.append(champion.version.preprocessor.numbers(table.take(chosen)))
            seen += len(table)
    if not rows:
        return None
    chunks = [chunk for column in labels for chunk in column.chunks]
    matrix = np.concatenate(features) if features else None
    numbers = np.concatenate(rows)
    known, unknown = without_classes(pa.chunked_array(chunks), withheld)
    if unknown.any():
        told = counted(int(unknown.sum()), "label", "are")
        notes.append(f"{told} of classes that do not count: `driftd status` says why")
    return Predicted(concatenate(first), concatenate(blended), numbers, known, unknown, matrix, step)


def _step(snapshots: list[Path]) -> int:
    """Every how many rows one is kept, for at most ESTIMATED_ROWS."""
    rows: int = sum(pq.read_metadata(path).num_rows for path in snapshots)
    return max(1, math.ceil(rows / ESTIMATED_ROWS))


def write_predictions(predicted: Predicted, path: Path) -> Path:
    """One row each: __row, prediction, p_CLASS of every class, label."""
    predictions = predicted.blended
    columns: dict[str, Any] = {"__row": predicted.rows, "prediction": pa.array(predictions.values.tolist())}
    if predictions.probabilities is not None and predictions.classes is not None:
        columns |= {f"p_{name}": predictions.probabilities[:, k] for k, name in enumerate(predictions.classes)}
    columns["label"] = predicted.labels
    durable.crash_point("check.predictions.before_write")
    pq.write_table(pa.table(columns), path, compression="zstd")
    return path


_MEMORY = Memory(8)
"""Of adjusted deployments, what is expected of them."""


@lru_cache(maxsize=8)
def _reference(folder: Path) -> Reference:
    return load_reference(folder)


def snapshot_batches(path: Path, versions: Iterable[LoadedVersion], notes: list[str]) -> Iterator[pa.Table]:
    """Tables of what the versions need, and __row; to a version, a column that is not there is missing."""
    needed = {name: None for version in versions for name in version.schema.model_columns}
    with open_snapshot(path) as file:
        present = set(file.schema_arrow.names)
        notes += [f"{path.name} has no {name}: predicted without it" for name in needed if name not in present]
        columns = [name for name in (*needed, "__row") if name in present]
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
            yield pa.Table.from_batches([batch])


def _label_column(table: pa.Table, target: str) -> pa.ChunkedArray:
    """The target, all null where the table has none."""
    if target in table.column_names:
        return table[target]
    return pa.chunked_array([pa.nulls(len(table))])
