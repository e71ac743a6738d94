"""Check snapshots against the champion: drift of features and predictions, performance on rows with labels, and
its estimate for rows without."""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drift import (
    ColumnReport,
    DriftReport,
    NumericProfile,
    Reference,
    assemble,
    judge_values,
    keep_freed_memory,
    output_columns,
    unlike_recent,
)
from retrain.blend import blend, concatenate
from retrain.columns import column_values, open_snapshot, read_column
from retrain.estimate import estimate_performance
from retrain.performance import PERFORMANCE_SHARE, labelled_performance
from retrain.predictions import Floats, Labels, Predictions
from retrain.reference_files import release_pages
from retrain.settings import ModelSettings
from retrain.store import LoadedVersion, load_estimate, load_reference, load_version

BATCH_ROWS = 65_536
LITTLE = 0.02
ESTIMATED_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Champion:
    """The versions that are served, the heaviest first, with their weights and the first one's reference.
    `estimate` is what estimates the first one's performance without labels, None for a version without it."""

    versions: tuple[LoadedVersion, ...]
    weights: tuple[float, ...]
    reference: Reference
    evaluated: Mapping[str, Any]
    estimate: Mapping[str, Any] | None = None

    @property
    def needs_features(self) -> bool:
        """Whether the estimate reads features besides predictions."""
        return self.estimate is not None and self.estimate["method"] == "DLE"


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions of n rows by the heaviest version alone and by all blended; `rows` are their numbers.
    `matrix` holds the first version's features of every `step`-th row where an estimate reads them."""

    first: Predictions
    blended: Predictions
    rows: np.ndarray[Any, Any]
    labels: pa.ChunkedArray
    matrix: Floats | None = None
    step: int = 1


def check(args: dict[str, Any]) -> dict[str, Any]:
    """Judge the rows of all snapshots together. Arguments and result are JSON:

    `snapshots` paths; `versions` [{"version", "path", "weight"}]; `settings`; `predict` whether the champion
    is to predict the rows (needed for output drift and performance); `work` where the predictions of a single
    snapshot are written. Returns `report` (DriftReport), `performance` on the rows that have labels, `estimated`
    performance on those that have none, `predictions` (path) and `seconds`.
    """
    started = time.perf_counter()
    settings = ModelSettings.model_validate(args["settings"])
    snapshots = [Path(path) for path in args["snapshots"]]
    champion = load_champion(args["versions"], settings.estimator.trusted_types)
    notes: list[str] = []
    predicted = predict_snapshots(champion, snapshots, notes) if args["predict"] else None
    performance = None if predicted is None else _performance(champion, predicted, settings)
    if performance is not None:
        notes += performance.get("notes", [])
    report = drift_report(champion, snapshots, settings, predicted, notes)
    path = None
    if predicted is not None and len(snapshots) == 1:
        path = write_predictions(predicted, Path(args["work"]) / f"{snapshots[0].stem}.predictions.parquet")
    told = report.to_json()
    _tell_importance(told, champion.versions[0].evaluation.get("importance") or {})
    return {
        "report": told,
        "performance": performance,
        "estimated": None if predicted is None else _estimated(champion, predicted),
        "predictions": None if path is None else str(path),
        "seconds": time.perf_counter() - started,
    }


def _tell_importance(report: dict[str, Any], importance: Mapping[str, float]) -> None:
    """How much the champion relies on each column, and of each drifted one in words whether that matters to it."""
    most = max(importance.values(), default=0.0)
    for column in report["columns"]:
        if column["name"] not in importance:
            continue
        column["importance"] = importance[column["name"]]
        if column["drift"] and most > 0:
            share = max(column["importance"], 0.0) / most
            words = "relies on it most" if share == 1 else f"relies on it {share:.0%} as much as on its main feature"
            column["sentence"] += f"; the model {words if share >= LITTLE else 'hardly relies on it'}"


def load_champion(versions: list[dict[str, Any]], trusted_types: tuple[str, ...]) -> Champion:
    """Load what is served; a version that was loaded before is not loaded again, since it cannot change."""
    heaviest_first = sorted(versions, key=lambda member: -member["weight"])
    loaded = tuple(_version(Path(member["path"]), trusted_types) for member in heaviest_first)
    weights = tuple(float(member["weight"]) for member in heaviest_first)
    evaluated = loaded[0].evaluation.get("challenger") or {}
    heaviest = Path(heaviest_first[0]["path"])
    return Champion(loaded, weights, _reference(heaviest), evaluated, load_estimate(heaviest))


def drift_report(
    champion: Champion,
    snapshots: list[Path],
    settings: ModelSettings,
    predicted: Predicted | None,
    notes: list[str],
) -> DriftReport:
    """Features one at a time, so that memory holds one column; then the outputs of the heaviest version."""
    keep_freed_memory()
    pairs = list(_judged_features(champion, snapshots, settings, notes))
    outputs = [] if predicted is None else list(_judged_outputs(champion.reference, predicted, settings))
    reference, rows = champion.reference, sum(pq.read_metadata(path).num_rows for path in snapshots)
    share = 1.0 if predicted is None else 1 - PERFORMANCE_SHARE
    alpha, min_effect = share * settings.drift.false_alarms, settings.drift.min_effect
    report = assemble(
        [whole for whole, _ in pairs],
        outputs,
        alpha=alpha,
        min_effect=min_effect,
        reference_rows=reference.rows,
        current_rows=rows,
        parts=reference.parts,
        output_parts=reference.output_parts,
        output_rows=max((one.rows for one in reference.outputs.values()), default=0),
        notes=notes,
    )
    recent_rows = max((one.rows for one in reference.recent.values()), default=0)
    newest = [recent for _, recent in pairs if recent is not None]
    recent = assemble(newest, alpha=alpha, min_effect=min_effect, reference_rows=recent_rows, current_rows=rows)
    return unlike_recent(report, recent)


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
            blended.append(blend(said, champion.weights))
            rows.append(table["__row"].to_numpy())
            labels.append(_label_column(table, champion.versions[0].schema.target))
            if champion.needs_features:
                chosen = pa.array(np.arange(-seen % step, len(table), step))
                features.append(champion.versions[0].preprocessor.transform(table.take(chosen)))
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
    pq.write_table(pa.table(columns), path, compression="zstd")
    return path


@lru_cache(maxsize=8)
def _version(folder: Path, trusted_types: tuple[str, ...]) -> LoadedVersion:
    return load_version(folder, trusted_types)


@lru_cache(maxsize=8)
def _reference(folder: Path) -> Reference:
    return load_reference(folder)


def _judged_features(
    champion: Champion, snapshots: list[Path], settings: ModelSettings, notes: list[str]
) -> Iterator[tuple[ColumnReport, ColumnReport | None]]:
    """Each feature against all rows of the reference and against the newest."""
    for column in champion.versions[0].schema.features:
        if column.name in settings.drift.ignore:
            continue
        before = champion.reference.columns.get(column.name)
        values = None if before is None else read_column(snapshots, column.name, column.kind)
        if before is None or values is None:
            where = "the champion's reference" if before is None else "the data"
            notes.append(f"{column.name} was not compared: {where} has no such column")
            continue
        recent = champion.reference.recent.get(column.name)
        whole = judge_values(column.name, before, values, settings.drift.min_rows)
        newest = None if recent is None else judge_values(column.name, recent, values, settings.drift.min_rows)
        for known in (before, recent):
            if isinstance(known, NumericProfile):
                release_pages(*known.arrays)
        yield whole, newest


def _judged_outputs(reference: Reference, predicted: Predicted, settings: ModelSettings) -> Iterator[ColumnReport]:
    said = predicted.first
    for name, values in output_columns(said.values, said.probabilities, said.classes):
        if name in reference.outputs:
            yield judge_values(name, reference.outputs[name], values, settings.drift.min_rows)


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


def _performance(champion: Champion, predicted: Predicted, settings: ModelSettings) -> dict[str, Any] | None:
    """The metric on the rows that have a label; None where no row has one."""
    known = np.asarray(predicted.labels.is_valid())
    if not known.any():
        return None
    labels = _labels(predicted.labels.filter(pa.array(known)), champion.versions[0])
    said = predicted.blended.take(known)
    return labelled_performance(champion.versions[0].metric, labels, said, champion.evaluated, settings)


def _estimated(champion: Champion, predicted: Predicted) -> dict[str, Any] | None:
    """The estimate of the heaviest version's metric on the rows without a label, of these every `step`-th; None
    where all have one or the version has no estimate."""
    missing = ~np.asarray(predicted.labels.is_valid())[:: predicted.step]
    if champion.estimate is None or not missing.any():
        return None
    said = predicted.first.take(slice(None, None, predicted.step)).take(missing)
    matrix = None if predicted.matrix is None else predicted.matrix[missing]
    return estimate_performance(champion.versions[0].metric, champion.estimate, said, matrix)


def _labels(column: pa.ChunkedArray, version: LoadedVersion) -> Labels:
    if version.schema.task == "classification":
        return np.array([str(label) for label in column.to_pylist()])
    return np.asarray(column_values(column, "number"))
