"""What is served as a check uses it: its versions with their reference, and what they say of snapshots."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drift import Reference
from retrain import durable
from retrain.model.blend import blend, concatenate
from retrain.model.recalibration import Recalibration
from retrain.monitoring.cache import loaded_version
from retrain.operations import StoredDeployment
from retrain.records.predictions import Floats, Predictions
from retrain.rows.columns import open_snapshot
from retrain.store.versions import LoadedVersion, load_estimate, load_reference

BATCH_ROWS = 65_536
ESTIMATED_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Champion:
    """The versions that are served, with their weights and their recalibration; the first is the newest, which the last
    promotion brought (with weight 0 if it does not answer), and the reference is its own.
    `estimate` is what estimates the first one's performance without labels, None for a version without it."""

    versions: tuple[LoadedVersion, ...]
    weights: tuple[float, ...]
    reference: Reference
    evaluated: Mapping[str, Any]
    estimate: Mapping[str, Any] | None = None
    recalibration: Recalibration | None = None

    def answer(self, said: list[Predictions]) -> Predictions:
        """What is answered where its versions say `said`."""
        raw = blend(said, self.weights)
        return raw if self.recalibration is None else self.recalibration.apply(raw)

    @property
    def needs_features(self) -> bool:
        """Whether the estimate reads features besides predictions."""
        return self.estimate is not None and self.estimate["method"] == "DLE"


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions of n rows by the newest version alone and by all blended; `rows` are their numbers.
    `matrix` holds the first version's features of every `step`-th row where an estimate reads them."""

    first: Predictions
    blended: Predictions
    rows: np.ndarray[Any, Any]
    labels: pa.ChunkedArray
    matrix: Floats | None = None
    step: int = 1


def load_champion(deployment: StoredDeployment, trusted_types: tuple[str, ...]) -> Champion:
    """Load what is served; a version that was loaded before is not loaded again, since it cannot change."""
    names, first = deployment.names, deployment.path(deployment.newest)
    loaded = tuple(loaded_version(deployment.path(name), trusted_types) for name in names)
    weights = tuple(deployment.weights.get(name, 0.0) for name in names)
    evaluated = loaded[0].evaluation.get("challenger") or {}
    moved = Recalibration.from_json(deployment.recalibration)
    return Champion(loaded, weights, _reference(first), evaluated, load_estimate(first), moved)


def predict_snapshots(champion: Champion, snapshots: list[Path], notes: list[str]) -> Predicted | None:
    """What the champion says of all rows, in batches; None where there are none."""
    first: list[Predictions] = []
    blended: list[Predictions] = []
    rows: list[Any] = []
    labels: list[Any] = []
    features: list[Floats] = []
    step = _step(snapshots) if champion.needs_features else 1
    seen = 0
    for path in snapshots:
        for table in _batches(path, champion.versions, notes):
            said = [version.predict_table(table) for version in champion.versions]
            first.append(said[0])
            blended.append(champion.answer(said))
            rows.append(table["__row"].to_numpy())
            labels.append(_label_column(table, champion.versions[0].schema.target))
            if champion.needs_features:
                chosen = pa.array(np.arange(-seen % step, len(table), step))
                features.append(champion.versions[0].matrix(table.take(chosen)))
            seen += len(table)
    if not rows:
        return None
    chunks = [chunk for column in labels for chunk in column.chunks]
    matrix = np.concatenate(features) if features else None
    numbers, known = np.concatenate(rows), pa.chunked_array(chunks)
    return Predicted(concatenate(first), concatenate(blended), numbers, known, matrix, step)


def _step(snapshots: list[Path]) -> int:
    """Every how many rows one is kept, for at most ESTIMATED_ROWS."""
    rows: int = sum(pq.read_metadata(path).num_rows for path in snapshots)
    return max(1, math.ceil(rows / ESTIMATED_ROWS))


def write_predictions(predicted: Predicted, path: Path) -> Path:
    """One row each: __row, prediction, p_CLASS of every class, label."""
    said = predicted.blended
    columns: dict[str, Any] = {"__row": predicted.rows, "prediction": pa.array(said.values.tolist())}
    if said.probabilities is not None and said.classes is not None:
        columns |= {f"p_{name}": said.probabilities[:, k] for k, name in enumerate(said.classes)}
    columns["label"] = predicted.labels
    durable.crash_point("check.predictions.before_write")
    pq.write_table(pa.table(columns), path, compression="zstd")
    return path


@lru_cache(maxsize=8)
def _reference(folder: Path) -> Reference:
    return load_reference(folder)


def _batches(path: Path, versions: tuple[LoadedVersion, ...], notes: list[str]) -> Iterator[pa.Table]:
    """Tables of what the versions need, and __row; to a version, a column that is not there is missing."""
    needed = {name: None for version in versions for name in version.task.columns(version.schema)}
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
