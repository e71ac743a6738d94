"""The train stage: prepared rows to a staged version of preprocessor and estimator; or a pipeline that is adopted."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.utils._param_validation import InvalidParameterError

from retrain import durable
from retrain.metrics.metric import Metric
from retrain.metrics.registry import MetricContext, default_metric, get_metric
from retrain.model.decision import configured_decision, costs_of, named_classes, refuse_unfit
from retrain.model.estimators import (
    encoding_of,
    make_estimator,
    max_categories_of,
    set_categories,
    single_threaded,
)
from retrain.model.fitting import fit_weighted
from retrain.model.parts import fit_in_parts
from retrain.model.pipeline import RawPipeline
from retrain.model.preparation import learned, new_preparation, raw_schema
from retrain.model.preprocessing import Preprocessor
from retrain.model.tasks import Task, learn_task
from retrain.model.version import LoadedVersion
from retrain.operations import PreparedRows, TrainRequest, TrainResult
from retrain.records.errors import Refused
from retrain.records.predictions import Floats, Labels
from retrain.records.schema import Schema
from retrain.records.settings import OF_PROBABILITIES, ModelSettings
from retrain.rows.targets import target_values
from retrain.stages.adopting import Make, adopted_make, kept_make
from retrain.stages.search import Candidate, search_params
from retrain.store import adopted, model_file
from retrain.store.versions import PREPARE, read_json, undamaged, write_json
from retrain.user_code import absolute_name

MODEL, ABOUT = "model.skops", "about.json"
UNKNOWN_ROWS = "it was adopted: where held-out rows are among those that trained it, it is worse than it looks"


@dataclass(frozen=True, eq=False)
class Material:
    """The rows to learn from: features X (n, features), labels y (n,), weights (n,), oldest row first."""

    X: Floats
    y: Labels
    weight: Floats
    preprocessor: Preprocessor


@dataclass(frozen=True, eq=False)
class Fitted:
    """What came of it; `weighted` says whether the estimator took the rows' weights."""

    estimator: Any
    params: dict[str, Any]
    trials: list[Candidate]
    weighted: bool


def train(request: TrainRequest) -> TrainResult:
    """Train on the prepared rows and stage the result in `work`/version, anew. Refused where the data or the
    configuration cannot give a model."""
    started = time.perf_counter()
    folder, champion = request.work / "version", request.champion
    durable.remove(folder, "train.clear")
    durable.make_folder(folder, "train.folder")
    before = None if champion is None else undamaged(champion.path(champion.newest) / "training.json")
    first = None if before is None else before["metric"]
    table, settings = pq.read_table(request.prepared.train, pre_buffer=False), request.settings
    adopt, make = request.adopt, None
    if adopt is not None:
        make = adopted_make(adopt, read_json(adopt / ABOUT), table, request.schema, settings)
    else:
        make = kept_make(champion, settings)
    version = fit_version(
        table, request.prepared, request.schema, settings, first, request.model, request.number,
        request.config_dir, make, request.prepared.whole if learns_in_parts(request.prepared) else None,
    )  # fmt: skip
    _stage(folder, settings, version, make)
    copied = ("estimator", "params", "search", "weighted", "metric", "notes")
    return TrainResult(
        train_rows=version.training["rows"],
        seconds=round(time.perf_counter() - started, 3),
        **{key: version.training[key] for key in copied},
    )


def fit_version(
    table: pa.Table,
    prepared: PreparedRows,
    schema: Schema,
    settings: ModelSettings,
    first_metric: Mapping[str, Any] | None,
    model: str,
    number: int,
    config_dir: Path,
    make: Make | None = None,
    whole: Path | None = None,
) -> LoadedVersion:
    """The stage's work: a version in memory, not evaluated yet. `prepared` is what the prepare stage gave with `table`,
    `first_metric` the metric's record of the champion. What it is trained of is the configured estimator, or a clone of
    the `make`, which is taken as it is where that knows its task. Where there is a file with the `whole` window, of
    which `table` is a sample, it learns that in parts."""
    schema = schema if make is None else make.schema(schema)
    schema = schema if settings.prepare is None else raw_schema(schema, settings)
    material, task = _material(table, schema, settings, config_dir, make)
    spec = _metric_spec(settings, task, material.y, first_metric, config_dir)
    costs = tuple(spec.get("costs", ()))
    metric = get_metric(spec["name"], MetricContext(task.name, spec["initial_median"], costs=costs))
    fitted = _fit(settings, task, metric, material, config_dir, make, None if whole is None else (whole, schema))
    origin: dict[str, Any] = {"model": model, "number": number} | ({} if make is None else {"adopted": make.record})
    if make is not None and make.task is not None:
        prepared = msgspec.structs.replace(prepared, notes=[*prepared.notes, UNKNOWN_ROWS])
    training = origin | _training(prepared, settings, task, material, fitted, spec)
    return LoadedVersion("challenger", Path(), schema, task, material.preprocessor, fitted.estimator, training, {})


def _material(
    table: pa.Table, schema: Schema, settings: ModelSettings, config_dir: Path, make: Make | None
) -> tuple[Material, Task]:
    y = target_values(table, schema)
    task = learn_task(settings.task, y) if make is None or make.task is None else make.task
    weight = np.array(table.column("__weight").to_numpy(), dtype=np.float64)
    if make is not None:
        preprocessor = make.preprocessor(table, schema)
        return Material(preprocessor.transform(table), y, weight, preprocessor), task
    prototype = make_estimator(settings.estimator, settings.task, config_dir)
    encoding, most = encoding_of(prototype), max_categories_of(prototype)
    if settings.prepare is None:
        preprocessor = Preprocessor.fit(table, schema, encoding, most)
        return Material(preprocessor.transform(table), y, weight, preprocessor), task
    preparation = learned(new_preparation(settings.prepare, config_dir, schema), table, schema)
    prepared = preparation.of_table(table)
    preprocessor = Preprocessor.fit(prepared, preparation.model_schema(schema), encoding, most)
    preprocessor = replace(preprocessor, preparation=preparation)
    return Material(preprocessor.transform_prepared(prepared), y, weight, preprocessor), task


def learns_in_parts(prepared: PreparedRows) -> bool:
    """Whether all rows of a window larger than memory train."""
    return prepared.large is not None and prepared.large["how"] == "parts"


def _fit(
    settings: ModelSettings,
    task: Task,
    metric: Metric,
    material: Material,
    config_dir: Path,
    kept: Make | None,
    whole: tuple[Path, Schema] | None = None,
) -> Fitted:
    def make(params: Mapping[str, Any]) -> Any:
        if kept is not None:
            return kept.estimator(material.preprocessor, task, {**settings.estimator.params, **params})
        estimator = make_estimator(settings.estimator, settings.task, config_dir, params, len(task.classes or ()))
        set_categories(estimator, material.preprocessor.categorical_mask)
        return estimator

    X, y, weight = material.X, material.y, material.weight
    params: dict[str, Any] = {}
    trials: list[Candidate] = []
    seed, search = settings.estimator.seed, settings.estimator.search
    refuse_unfit(settings.decision, task.classes or ())
    if kept is not None and kept.task is not None:
        estimator = adopted.as_estimator(kept.pipeline, material.preprocessor, task)
        _refuse_without_probabilities(settings, metric, estimator)
        return Fitted(estimator, {}, [], True)
    try:
        if search is not None:
            native = material.preprocessor.encoding == "codes"
            rule = configured_decision(settings.decision, task.classes or ())
            params, trials = search_params(make, search, task, metric, X, y, weight, seed, native, rule)
        estimator = make(params)
        _refuse_without_probabilities(settings, metric, estimator)
        if whole is None:
            weighted = fit_weighted(task, estimator, X, y, weight, seed)
        else:
            weighted = fit_in_parts(estimator, whole[0], task, whole[1], material.preprocessor, seed)
    except InvalidParameterError as error:
        raise Refused(f"estimator {settings.estimator.type!r}: {error}") from error
    single_threaded(estimator)
    return Fitted(estimator, params, trials, weighted)


def _refuse_without_probabilities(settings: ModelSettings, metric: Metric, estimator: Any) -> None:
    """Refused where metric or decision need probabilities that the untrained estimator will not give."""
    decided = settings.decision.threshold is not None or bool(settings.decision.costs)
    needing = f"metric {metric.name!r}" if metric.needs_probabilities else "decision" if decided else ""
    if needing and not hasattr(estimator, "predict_proba"):
        raise Refused(
            f"{needing} needs probabilities, which {type(estimator).__name__} does not give",
            "another estimator.type, or a metric and no decision that need none",
        )


def _metric_spec(
    settings: ModelSettings, task: Task, y: Labels, first: Mapping[str, Any] | None, config_dir: Path
) -> dict[str, Any]:
    """The metric, with what the first training data fixed: the default's name and the target's median."""
    if first is None:
        median = float(np.median(y)) if task.classes is None else None
        first = {"default": default_metric(task.name, y), "initial_median": median}
    costs = costs_of(settings.decision)
    answers = settings.decision.threshold == "auto" and first["default"] in OF_PROBABILITIES
    default = "cost" if costs else "balanced_accuracy" if answers else first["default"]
    name = default if settings.metric == "auto" else absolute_name(settings.metric, config_dir)
    spec = {"name": name, "default": first["default"], "initial_median": first["initial_median"]}
    return spec | ({"costs": costs} if name == "cost" else {})


def _training(
    prepared: PreparedRows,
    settings: ModelSettings,
    task: Task,
    material: Material,
    fitted: Fitted,
    spec: Any,
) -> dict[str, Any]:
    estimator = fitted.estimator.pipeline if isinstance(fitted.estimator, RawPipeline) else fitted.estimator
    notes = list(prepared.notes)
    if not fitted.weighted:
        notes.append(f"{type(estimator).__name__} takes no row weights: all rows counted alike")
    if unknown := sorted(named_classes(settings.decision) - set(task.classes or ())):
        notes.append(f"decision names {', '.join(map(repr, unknown))}, of which no training row is")
    return {
        "format": 1,
        "rows": prepared.large["train"]["of"] if prepared.large and learns_in_parts(prepared) else len(material.y),
        "snapshots": prepared.snapshots,
        "cut_time": prepared.cut_time,
        "window": prepared.window,
        "prepare": _kept(prepared),
        "seed": settings.estimator.seed,
        "threads": settings.limits.train_threads,
        "classes": None if task.classes is None else list(task.classes),
        "metric": spec,
        "baseline": task.baseline(material.y, material.weight).to_json(),
        "estimator": f"{type(estimator).__module__}.{type(estimator).__qualname__}",
        "params": {**settings.estimator.params, **fitted.params},
        "search": [asdict(trial) for trial in fitted.trials],
        "weighted": fitted.weighted,
        **_prepared_by(material.preprocessor),
        "features": list(material.preprocessor.feature_names),
        "notes": notes,
    }


def _kept(prepared: PreparedRows) -> dict[str, Any]:
    """What training.json has of them; of a window larger than memory alone what was drawn of it."""
    found = {name: getattr(prepared, name) for name in PreparedRows.__struct_fields__ if name != "cpu_s"}
    return {name: value for name, value in found.items() if name != "large" or value is not None}


def _prepared_by(preprocessor: Preprocessor) -> dict[str, Any]:
    """What lineage says of a preparation of the user's."""
    preparation = preprocessor.preparation
    return {} if preparation is None else {"preparation": {"name": preparation.name, "digest": preparation.digest}}


def _stage(folder: Path, settings: ModelSettings, version: LoadedVersion, make: Make | None) -> None:
    """The model last: a folder with a model is complete."""
    trusted = settings.estimator.trusted_types
    model = model_file.dump(version.estimator, trusted) if make is None else b""
    preparation = version.preprocessor.preparation
    if preparation is not None:
        durable.make_folder(folder / PREPARE, "train.prepare_folder")
        durable.write_file(folder / PREPARE / preparation.file, preparation.code, "train.prepare")
    write_json(folder, "preprocessor.json", version.preprocessor.to_json(), "train.preprocessor")
    write_json(folder, "schema.json", version.schema.to_json(), "train.schema")
    write_json(folder, "settings.json", settings.model_dump(mode="json"), "train.settings")
    write_json(folder, "training.json", version.training, "train.training")
    if make is None:
        durable.write_file(folder / MODEL, model, "train.model")
    elif make.task is not None:
        adopted.copy(make.folder, folder, "train.model")
    else:
        types = (*trusted, *make.record["trusted_types"])
        adopted.dump(version.estimator.pipeline, folder, make.folder, types, "train.model")
