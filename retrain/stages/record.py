"""The stage that makes the reference of a model that is served elsewhere: of rows with what was predicted of them,
labelled or not, a version without a model, which checks and assessments read like any other."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from drift.columns.casts import TYPES
from drift.notation import counted
from retrain import durable
from retrain.metrics.metric import Metric
from retrain.metrics.registry import default_metric
from retrain.metrics.resampling import Resampled
from retrain.model.preprocessing import Preprocessor
from retrain.model.recorded import RecordedVersion
from retrain.model.tasks import Classification, Regression, Task
from retrain.monitoring.error_stream import error_span
from retrain.monitoring.estimate import fit_estimate
from retrain.monitoring.reference import version_reference
from retrain.monitoring.unseen import Unseen
from retrain.operations import RecordRequest, RecordResult
from retrain.records.errors import Refused
from retrain.records.predictions import Labels, Predictions
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings
from retrain.rows.history import History
from retrain.rows.targets import class_column, class_names, target_values
from retrain.store.versions import RECORDED, write_json, write_reference, write_sample, write_unseen
from retrain.user_code import absolute_name

SAMPLE_ROWS = 5_000


def record(request: RecordRequest) -> RecordResult:
    """Stage the version in `work`/version, anew. Refused where no rows of the files can be a reference."""
    settings, schema, work = request.settings, request.schema, request.work
    folder = work / "version"
    durable.remove(folder, "record.clear")
    durable.make_folder(folder, "record.folder")
    table = _rows(request)
    known = np.asarray(table.column(schema.target).is_valid())
    version = _version(request, table, known)
    said = version.predict_table(table)
    y, labelled = target_values(table.filter(pa.array(known)), schema), said.take(known)
    spoken = y if known.any() else said.values
    evaluation = _evaluation(version, y, labelled, settings)
    result = RecordResult(
        rows=len(table), known_rows=len(y), metric=version.metric.name,
        challenger=evaluation["challenger"], baseline=evaluation["baseline"], reason=_reason(request, table, len(y)),
        notes=[] if known.any() else ["no row has a label yet: its performance is not known"],
    )  # fmt: skip
    _stage(folder, request, version, evaluation | {"verdict": "promote", "reason": result.reason})
    matrix = version.matrix(table.filter(pa.array(known))) if version.classes is None else None
    median = version.training["metric"]["initial_median"]
    estimate = fit_estimate(settings.task, y, labelled, matrix, settings.estimator.seed, initial_median=median)
    write_json(folder, "estimate.json", estimate, "record.estimate")
    _write_reference(folder, work, version, table, said, known, spoken, settings)
    return result


def _rows(request: RecordRequest) -> pa.Table:
    """The rows of all files, with the labels that may be believed; of the version that predicts now, where files say
    which it was."""
    schema = request.schema
    history = History(request.files, schema, request.settings.labels, request.now)
    tables = []
    for seq in history.seqs:
        table = history.batch(seq).table.replace_schema_metadata(None)
        for column in schema.columns:
            if column.name not in table.column_names:
                table = table.append_column(column.name, pa.nulls(table.num_rows, TYPES[column.kind]))
        table = table.select([*(column.name for column in schema.columns), "__row"])
        tables.append(table.append_column("__seq", pa.array(np.full(table.num_rows, seq, dtype=np.int64))))
    if not tables:
        raise Refused("there are no rows", "drop files with what the other system predicted")
    whole = pa.concat_tables(tables, promote_options="permissive")
    recorded = schema.recorded
    if request.served_version is not None and recorded is not None and recorded.version is not None:
        own = pc.equal(whole.column(recorded.version), request.served_version)
        whole = whole.filter(own)
    if recorded is None or not whole.num_rows:
        raise Refused("no row has what the other system predicted", "prediction_column says where it stands")
    return whole.filter(whole.column(recorded.prediction).is_valid())


def _version(request: RecordRequest, table: pa.Table, known: NDArray[np.bool_]) -> RecordedVersion:
    settings, schema = request.settings, request.schema
    task, spoken = _task(table, schema, settings), _spoken(table, schema, known)
    numbers = task.classes is None
    median = float(np.median(spoken)) if numbers else None
    default = default_metric(task.name, spoken)
    name = default if settings.metric == "auto" else absolute_name(settings.metric, request.config_dir)
    metric = {"name": name, "default": default, "initial_median": median}
    preprocessor = Preprocessor.fit(table, schema, "codes") if schema.features else Preprocessor("codes", ())
    nothing: list[Any] = []
    training = {
        "format": 1, "model": request.model, "number": request.number, "rows": len(table), "snapshots": nothing,
        "cut_time": None, "window": None, "seed": settings.estimator.seed, "threads": 1,
        "prepare": {"reserved_snapshots": nothing, "snapshots": nothing, "cut": None, "held_out": ""},
        "classes": None if numbers else list(task.classes or ()), "metric": metric,
        "baseline": task.baseline(spoken, np.ones(len(spoken))).to_json(), "estimator": "served elsewhere",
        "params": {}, "search": nothing, "weighted": True, "features": list(preprocessor.feature_names),
        "notes": nothing, "served_version": request.served_version,
    }  # fmt: skip
    return RecordedVersion("recorded", Path(), schema, task, preprocessor, None, training, {})


def _spoken(table: pa.Table, schema: Schema, known: NDArray[np.bool_]) -> Labels:
    """The labels that are there; without any what was predicted."""
    assert schema.recorded is not None
    if known.any():
        return target_values(table.filter(pa.array(known)), schema)
    column = table.column(schema.recorded.prediction)
    if schema.task == "regression":
        return np.array(column.cast("float64").to_numpy(), dtype=np.float64)
    return class_names(column)


def _task(table: pa.Table, schema: Schema, settings: ModelSettings) -> Task:
    """Of the classes that labels, predictions or the configuration name; Refused where a probability has no class."""
    if schema.task == "regression":
        return Regression()
    assert schema.recorded is not None
    columns = (table.column(schema.target), table.column(schema.recorded.prediction))
    words = (class_column(column).unique().to_pylist() for column in columns)
    found = {str(name) for one in words for name in one if name is not None}
    named = set(settings.probability_columns)
    classes = tuple(sorted(found | named))
    if len(classes) < 2:
        only = repr(classes[0])
        raise Refused(f"all rows and predictions are {only}", "expected two classes; later files may have the other")
    if len(named) == 1 and len(classes) > 2:
        raise Refused(
            f"probability_columns has a column for {next(iter(named))!r} alone, and there are the classes "
            f"{', '.join(map(repr, classes))}", "name a column for each class",
        )  # fmt: skip
    return Classification(classes)


def _evaluation(version: RecordedVersion, y: Labels, said: Predictions, settings: ModelSettings) -> dict[str, Any]:
    """As metrics.json has it: how what was predicted does on the labelled rows of the reference, beside the naive
    baseline."""
    metric = version.metric
    found: dict[str, Any] = {
        "metric": metric.name, "greater_is_better": metric.greater_is_better, "rows": len(y), "challenger": None,
        "champion": None, "baseline": None, "difference": None, "difference_se": None, "slices": [], "handicap": None,
        "notes": [], "error_span": None, "runtime": {}, "importance": {}, "decision": None, "forecast": None,
    }  # fmt: skip
    if not len(y):
        return found
    naive = version.baseline.predict(len(y))
    resampled = Resampled(metric, y, [said, naive], settings.estimator.seed)
    scored = {"challenger": _scored(metric, resampled, y, said), "baseline": _scored(metric, resampled, y, naive)}
    return found | scored | {"error_span": error_span(y, said)}


def _scored(metric: Metric, resampled: Resampled, y: Labels, said: Predictions) -> dict[str, Any]:
    score = metric.evaluate(y, said)
    return {
        "value": score.value, "se": None if score.value is None else resampled.error(said),
        "reason": score.reason or None,
    }  # fmt: skip


def _reason(request: RecordRequest, table: pa.Table, labelled: int) -> str:
    files = counted(len({file.seq for file in request.files if file.kind == "rows"}), "file")
    of = "" if request.served_version is None else f" of {request.served_version}"
    return f"the reference is {counted(len(table), 'row')}{of} of {files}, {labelled:,} of them labelled"


def _stage(folder: Path, request: RecordRequest, version: RecordedVersion, evaluation: dict[str, Any]) -> None:
    """What says that it is a version of this kind comes last."""
    write_json(folder, "preprocessor.json", version.preprocessor.to_json(), "record.preprocessor")
    write_json(folder, "schema.json", version.schema.to_json(), "record.schema")
    write_json(folder, "settings.json", request.settings.model_dump(mode="json"), "record.settings")
    write_json(folder, "training.json", version.training, "record.training")
    write_json(folder, "metrics.json", evaluation, "record.metrics")
    of_rows = [file for file in request.files if file.kind == "rows"]
    what = {
        "format": 1, "files": [file.digest for file in of_rows], "seqs": [file.seq for file in of_rows],
        "served_version": request.served_version,
    }  # fmt: skip
    write_json(folder, RECORDED, what, "record.recorded")


def _write_reference(
    folder: Path,
    work: Path,
    version: RecordedVersion,
    table: pa.Table,
    said: Predictions,
    known: NDArray[np.bool_],
    y: Labels,
    settings: ModelSettings,
) -> None:
    """Of all rows and predictions; of the labelled ones what was predicted beside what was true."""
    rows, none = work / "reference.parquet", work / "none.parquet"
    for part, path in ((table, rows), (table.slice(0, 0), none)):
        durable.crash_point("record.rows.before_write")
        pq.write_table(part, path, compression="lz4")
    files, places = (table.column(name).to_numpy() for name in ("__seq", "__row"))
    truth = np.resize(y, len(table)) if not known.any() else _spread(y, known)
    unseen = Unseen(said, truth, files, places, np.ones(len(table), dtype=bool))
    write_reference(folder, version_reference(version, rows, none, settings, unseen))
    if known.any():
        write_unseen(folder, unseen.take(known).to_table())
    names = [c.name for c in version.schema.features if c.kind != "datetime"]
    step = max(1, -(-len(table) // SAMPLE_ROWS))
    write_sample(folder, table.select(names).take(pa.array(np.arange(0, len(table), step))))


def _spread(y: Labels, known: NDArray[np.bool_]) -> Labels:
    """Labels of the rows that are known at their places among all, (n,); the others are never read."""
    places: Labels = np.zeros(len(known), dtype=y.dtype)
    places[known] = y
    return places
