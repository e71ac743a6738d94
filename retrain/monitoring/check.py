"""Check snapshots against the champion: drift of features and predictions, performance on rows with labels, and
its estimate for rows without."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from drift.check.check_columns import check_columns
from drift.check.report import DriftReport
from drift.derived.identifiers import identifying, naming_files, order_of
from drift.derived.outputs import output_columns
from drift.profiles.numeric import NumericProfile
from drift.profiles.profile import ColumnValues
from retrain.model.version import LoadedVersion
from retrain.monitoring.champion import (
    MonitoredDeployment,
    Predicted,
    load_monitored,
    predict_snapshots,
    write_predictions,
)
from retrain.monitoring.error_stream import Watch, row_errors, seen, watch_errors
from retrain.monitoring.estimate import estimate_performance
from retrain.monitoring.evaluated import evaluated_before
from retrain.monitoring.importance import importance_weights
from retrain.monitoring.multivariate import check_together
from retrain.monitoring.performance import PERFORMANCE_SHARE, measured, with_verdict
from retrain.monitoring.prediction_shift import prediction_shifts
from retrain.monitoring.prepared import prepared_snapshots
from retrain.operations import CheckRequest, CheckResult
from retrain.records.prediction_shift import shift_sentence
from retrain.records.predictions import Labels, Predictions
from retrain.records.settings import ModelSettings
from retrain.rows.columns import column_values
from retrain.rows.compared_columns import compared_values
from retrain.rows.targets import class_names
from retrain.store.reference_files import release_pages

LITTLE = 0.02
ALONE = (
    "outputs are compared, and performance is estimated, of {} alone: too few rows are still there that neither it nor "
    "the versions beside it were trained on"
)


@dataclass(frozen=True, eq=False)
class Labelled:
    """The labels (n,) of rows with these numbers (n,), and what was said of them."""

    labels: Labels
    said: Predictions
    rows: Any


def check(request: CheckRequest) -> CheckResult:
    """The operation: judge the rows of all snapshots together."""
    started = time.perf_counter()
    settings, snapshots = request.settings, list(request.snapshots)
    champion = load_monitored(
        request.deployment, settings.estimator.trusted_types, request.files, settings.estimator.seed
    )
    notes: list[str] = [] if champion.whole else [ALONE.format(champion.loaded.newest)]
    predicted = predict_snapshots(champion, snapshots, notes, request.withheld) if request.predict else None
    labelled = None if predicted is None else _labelled(champion, predicted)
    performance = None if labelled is None else _performance(champion, labelled, request)
    if performance is not None:
        notes += performance.get("notes", [])
    watch = _watch(champion, labelled, request.stream, settings) if labelled is not None and request.judge else None
    with prepared_snapshots(champion.version, snapshots, request.work) as prepared:
        report = drift_report(champion, prepared, settings, predicted, notes, request.columns)
        together = None
        if settings.drift.multivariate and request.kind == "schedule":
            together = check_together(champion, prepared, settings, report.left_out, request.work)
    path = None
    if predicted is not None and len(snapshots) == 1:
        path = write_predictions(predicted, request.work / f"{snapshots[0].stem}.predictions.parquet")
    told = report.to_json()
    if together is not None:
        told["multivariate"] = together
    _tell_importance(told, champion.version.evaluation.get("importance") or {})
    if predicted is not None and len(snapshots) == 1:
        _tell_shifts(told, champion, snapshots[0])
    return CheckResult(
        report=told,
        performance=performance,
        estimated=None if predicted is None else _estimated(champion, predicted),
        stream=None if watch is None or performance is None else seen(watch, performance),
        stream_state=None if watch is None else watch.state,
        predictions=path,
        seconds=time.perf_counter() - started,
    )


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


def _tell_shifts(report: dict[str, Any], champion: MonitoredDeployment, snapshot: Path) -> None:
    """What each drifted column does to the predictions of a file, as far as that is exact and cheap to tell."""
    drifted = {column["name"]: column for column in report["columns"] if column["drift"]}
    for name, found in prediction_shifts(champion.loaded, snapshot, drifted).items() if drifted else ():
        drifted[name]["prediction_shift"] = found
        drifted[name]["sentence"] += f"; {shift_sentence(found)}"


def drift_report(
    champion: MonitoredDeployment,
    snapshots: list[Path],
    settings: ModelSettings,
    predicted: Predicted | None,
    notes: list[str],
    columns: Collection[str] | None = None,
) -> DriftReport:
    """Of snapshots as `prepared_snapshots` gives them. Features one at a time, so that memory holds one column; then
    the outputs of what is served. Only `columns`, where they are given, whatever their values; else without what names
    or dates rows."""
    reference, drift = champion.reference, settings.drift
    share = 1.0 if predicted is None else 1 - PERFORMANCE_SHARE
    said = None if predicted is None else champion.said(predicted)
    left_out: dict[str, str] = {}
    features = _features(champion, snapshots, settings, notes)
    return check_columns(
        reference,
        _described(champion, features, left_out, settings) if columns is None else _only(features, columns),
        () if said is None else output_columns(said.values, said.probabilities, said.classes),
        alpha=share * drift.false_alarms,
        min_effect=drift.min_effect,
        min_rows=drift.min_rows,
        notes=notes,
        column_weights=_weights(champion, settings, notes),
        dates=[column.name for column in champion.version.model_schema.columns if column.kind == "datetime"],
        left_out=left_out,
    )


def _weights(champion: MonitoredDeployment, settings: ModelSettings, notes: list[str]) -> dict[str, float] | None:
    """How the columns share the budget; None for equally."""
    if settings.drift.weights == "equal":
        return None
    names = [name for name in champion.reference.columns if name not in settings.drift.ignore]
    weights = importance_weights(champion.version.evaluation.get("importance") or {}, names)
    if weights is None:
        notes.append("the columns share the budget equally: the champion has no permutation importance")
    return weights


def _described(
    champion: MonitoredDeployment,
    columns: Iterable[tuple[str, ColumnValues]],
    left_out: dict[str, str],
    settings: ModelSettings,
) -> Iterator[tuple[str, ColumnValues]]:
    """Those that describe their rows, and those that the configuration declares features; why others are left out is
    added to `left_out`."""
    reference, declared = champion.reference, settings.columns or {}
    moments = {column.name for column in champion.version.model_schema.columns if column.kind == "datetime"}
    for name, values in columns:
        reason = None
        if name not in declared or declared[name].feature is None:
            order = order_of(reference.parts.get(name))
            reason = identifying(name, reference.columns[name], order, values, moments=name in moments)
            reason = reason or naming_files(reference.files.get(name), values)
        if reason is None:
            yield name, values
        else:
            left_out[name] = reason


def _only(columns: Iterable[tuple[str, ColumnValues]], names: Collection[str]) -> Iterator[tuple[str, ColumnValues]]:
    return ((name, values) for name, values in columns if name in names)


def _features(
    champion: MonitoredDeployment, snapshots: list[Path], settings: ModelSettings, notes: list[str]
) -> Iterator[tuple[str, ColumnValues]]:
    """Each feature, and what is derived of others, one in memory at a time; what the reference holds of it leaves the
    memory when it has been judged."""
    schema, drift = champion.version.model_schema, settings.drift
    for name, values in compared_values(snapshots, schema, calendar=drift.calendar, ignore=drift.ignore):
        before = champion.reference.columns.get(name)
        if before is None or values is None:
            where = "the data" if values is None else "the champion's reference"
            notes.append(f"{name} was not compared: {where} has no such column")
            continue
        yield name, values
        if isinstance(before, NumericProfile):
            release_pages(*before.arrays)


def _labelled(champion: MonitoredDeployment, predicted: Predicted) -> Labelled | None:
    """The rows that have a label; None where no row has one."""
    known = np.asarray(predicted.labels.is_valid())
    if not known.any():
        return None
    labels = _labels(predicted.labels.filter(pa.array(known)), champion.version)
    return Labelled(labels, predicted.blended.take(known), predicted.rows[known])


def _performance(champion: MonitoredDeployment, labelled: Labelled, request: CheckRequest) -> dict[str, Any]:
    """The metric on the rows that have a label; not compared with anything before these are settled."""
    metric, settings = champion.version.metric, request.settings
    found = measured(metric, labelled.labels, labelled.said, settings.estimator.seed) | {"settled": request.judge}
    if not request.judge:
        return found
    evaluated = evaluated_before(champion.version, settings)
    return with_verdict(found, request.earlier, evaluated, metric.greater_is_better, settings)


def _watch(
    champion: MonitoredDeployment, labelled: Labelled, kept: Mapping[str, Any] | None, settings: ModelSettings
) -> Watch | None:
    """What the detector says of the errors of what was served."""
    span = 1.0 if labelled.said.classes is not None else champion.version.evaluation.get("error_span")
    return watch_errors(row_errors(labelled.labels, labelled.said), labelled.rows, kept, span, settings)


def _estimated(champion: MonitoredDeployment, predicted: Predicted) -> dict[str, Any] | None:
    """The estimate of the metric of what is served on the rows without a label, of these every `step`-th; None where
    all have one or the version has no estimate."""
    missing = (~np.asarray(predicted.labels.is_valid()) & ~predicted.withheld)[:: predicted.step]
    if champion.estimate is None or not missing.any():
        return None
    said = champion.said(predicted).take(slice(None, None, predicted.step)).take(missing)
    matrix = None if predicted.matrix is None else predicted.matrix[missing]
    return estimate_performance(champion.version.metric, champion.estimate, said, matrix)


def _labels(column: pa.ChunkedArray, version: LoadedVersion) -> Labels:
    if version.schema.task == "classification":
        return class_names(column).astype(str)
    return np.asarray(column_values(column, "number"))
