"""The evaluate stage: champion, challenger and a naive baseline on one holdout, and the gate's verdict.

It also completes the staged version: metrics, probe rows with their answers, and what checks need once it is the
champion: the reference that they compare with, and what estimates its performance where labels are missing."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from drift import ColumnValues, build_reference, output_columns
from retrain.columns import open_snapshot
from retrain.compared import compared_values
from retrain.error_stream import error_span
from retrain.errors import Refused
from retrain.estimate import fit_estimate
from retrain.gate import Difference, Scored, Verdict, decide
from retrain.importance import permutation_importance
from retrain.metrics import Metric, bootstrap_scores, mean_error, standard_error
from retrain.predictions import Labels, Predictions
from retrain.schema import Schema
from retrain.settings import ModelSettings
from retrain.store import load_staged, load_version, write_json, write_probe, write_reference, write_sample
from retrain.tasks import target_values
from retrain.version import LoadedVersion

PROBE_ROWS = 20
MAX_SLICES = 50
SAMPLE_ROWS = 5_000


def evaluate(args: dict[str, Any]) -> dict[str, Any]:
    """Judge the staged version in `work`/version; `verdict` is "promote" or "keep" and `reason` a sentence."""
    settings = ModelSettings.model_validate(args["settings"])
    staged = Path(args["work"]) / "version"
    challenger = load_staged(staged, settings.estimator.trusted_types)
    holdout = pq.read_table(args["previous"]["prepare"]["holdout"], pre_buffer=False)
    notes: list[str] = []
    champion = _champion(args.get("champion"), settings, notes)
    y = target_values(holdout, challenger.schema)
    said = challenger.predict_table(holdout)
    said_before = None if champion is None else champion.predict_table(holdout)
    result = _compare(challenger, champion, said, said_before, holdout, y, settings)
    result["notes"] = notes
    result["error_span"] = error_span(y, said)
    result["importance"] = permutation_importance(challenger, holdout, y, settings.estimator.seed)
    write_json(staged, "metrics.json", result, "evaluate.metrics")
    write_json(staged, "estimate.json", _estimate(challenger, y, said, holdout, settings), "evaluate.estimate")
    rows = _probe_rows(holdout, challenger.schema)
    write_probe(staged, rows, challenger.predict_rows(rows))
    train = Path(args["previous"]["prepare"]["train"])
    outputs = output_columns(said.values, said.probabilities, said.classes)
    held_out = Path(args["previous"]["prepare"]["holdout"])
    recent = _columns(held_out, challenger.schema, settings)
    columns = _columns(train, challenger.schema, settings)
    write_reference(staged, build_reference(columns, outputs, recent))
    write_sample(staged, _sample(train, challenger.schema))
    return result


def _estimate(
    version: LoadedVersion, y: Labels, said: Predictions, holdout: pa.Table, settings: ModelSettings
) -> dict[str, Any]:
    """What the held-out rows tell about rows without labels."""
    matrix = version.preprocessor.transform(holdout) if version.schema.task == "regression" else None
    median = version.training["metric"]["initial_median"]
    return fit_estimate(version.schema.task, y, said, matrix, settings.estimator.seed, initial_median=median)


def _champion(told: Mapping[str, Any] | None, settings: ModelSettings, notes: list[str]) -> LoadedVersion | None:
    if told is None:
        return None
    try:
        return load_version(Path(told["path"]), settings.estimator.trusted_types)
    except Refused as error:
        notes.append(f"the champion cannot be compared: {error}")
        return None


def _compare(
    challenger: LoadedVersion,
    champion: LoadedVersion | None,
    said: Predictions,
    said_before: Predictions | None,
    holdout: pa.Table,
    y: Labels,
    settings: ModelSettings,
) -> dict[str, Any]:
    metric, seed = challenger.metric, settings.estimator.seed
    constant = challenger.baseline.predict(len(y))
    scores = {"challenger": said, "champion": said_before, "baseline": constant}
    told = {who: _scored(metric, y, one, seed) for who, one in scores.items() if one is not None}
    differences: tuple[Difference, ...] = ()
    if champion is not None and said_before is not None:
        told["champion"]["version"] = champion.name
        differences = tuple(_differences(metric, y, said, said_before, holdout, settings))
    verdict = _verdict(metric, len(y), told, champion, differences, settings)
    overall = differences[0] if differences else None
    return {
        "verdict": "promote" if verdict.promote else "keep",
        "reason": verdict.reason,
        "metric": metric.name,
        "greater_is_better": metric.greater_is_better,
        "rows": len(y),
        "challenger": told["challenger"],
        "champion": told.get("champion"),
        "baseline": told["baseline"],
        "difference": None if overall is None else overall.gain,
        "difference_se": None if overall is None else overall.se,
        "slices": [{"where": d.where, "rows": d.rows, "difference": d.gain, "se": d.se} for d in differences[1:]],
    }


def _verdict(
    metric: Metric,
    rows: int,
    told: Mapping[str, Any],
    champion: LoadedVersion | None,
    differences: tuple[Difference, ...],
    settings: ModelSettings,
) -> Verdict:
    challenger, baseline = (
        Scored("challenger", told["challenger"]["value"]),
        Scored("baseline", told["baseline"]["value"]),
    )
    gain = None
    if challenger.value is not None and baseline.value is not None:
        gain = metric.improvement(baseline.value, challenger.value)
    before = None
    if champion is not None and told["champion"]["value"] is not None:
        before = Scored(champion.name, told["champion"]["value"])
    return decide(metric.name, rows, challenger, gain, baseline, before, differences, settings.gate.max_worse_se)


def _scored(metric: Metric, y: Labels, said: Predictions, seed: int) -> dict[str, Any]:
    found = metric.evaluate(y, said)
    error = None if found.value is None else standard_error(metric, y, said, seed=seed)
    return {"value": found.value, "se": error, "reason": found.reason or None}


def _differences(
    metric: Metric,
    y: Labels,
    said: Predictions,
    before: Predictions,
    holdout: pa.Table,
    settings: ModelSettings,
) -> Iterator[Difference]:
    """Over all rows first, then in each slice of enough rows."""
    seed = settings.estimator.seed
    overall = paired_difference(metric, y, said, before, seed)
    if overall is not None:
        yield overall
    for column in settings.gate.slices:
        if column not in holdout.column_names:
            continue
        words = pc.cast(holdout.column(column), pa.string())
        counts = sorted(pc.value_counts(words).to_pylist(), key=lambda entry: -entry["counts"])
        for entry in counts[:MAX_SLICES]:
            if entry["values"] is None or entry["counts"] < settings.gate.min_slice_rows:
                continue
            mask = pc.equal(words, entry["values"]).fill_null(False).to_numpy()
            where = f"{column} is {entry['values']}"
            found = paired_difference(metric, y[mask], said.take(mask), before.take(mask), seed, where)
            if found is not None:
                yield found


def paired_difference(
    metric: Metric, y: Labels, said: Predictions, before: Predictions, seed: int, where: str = ""
) -> Difference | None:
    """How much better `said` is than `before` on the same rows, with the standard error of the difference:
    of its row values where the metric is their mean, else by block bootstrap; None where undefined."""
    now, then = metric.score(y, said), metric.score(y, before)
    if now is None or then is None:
        return None
    gain = metric.improvement(then, now)
    rows_now, rows_then = metric.row_values(y, said), metric.row_values(y, before)
    if rows_now is not None and rows_then is not None:
        return Difference(gain, mean_error(rows_now - rows_then), where, len(y))
    scores = bootstrap_scores(metric, y, [before, said], seed=seed)
    defined = scores[np.isfinite(scores).all(axis=1)]
    error = float((defined[:, 1] - defined[:, 0]).std(ddof=1)) if len(defined) > 1 else None
    return Difference(gain, error, where, len(y))


def _probe_rows(holdout: pa.Table, schema: Schema) -> list[dict[str, Any]]:
    """Held-out rows spread over time, features only."""
    positions = np.unique(np.linspace(0, holdout.num_rows - 1, PROBE_ROWS).astype(int))
    names = [column.name for column in schema.features if column.name in holdout.column_names]
    rows: list[dict[str, Any]] = holdout.select(names).take(pa.array(positions)).to_pylist()
    return rows


def _columns(rows: Path, schema: Schema, settings: ModelSettings) -> Iterator[tuple[str, ColumnValues]]:
    """What checks compare of prepared rows, one column in memory at a time."""
    for name, values in compared_values([rows], schema, calendar=settings.drift.calendar):
        if values is not None:
            yield name, values


def _sample(rows: Path, schema: Schema) -> pa.Table:
    """At most SAMPLE_ROWS whole rows, spread over all prepared ones: the features but for dates."""
    with open_snapshot(rows) as file:
        step = max(1, -(-file.metadata.num_rows // SAMPLE_ROWS))
        kept = pa.array(np.arange(0, file.metadata.num_rows, step))
        names = [c.name for c in schema.features if c.kind != "datetime" and c.name in file.schema_arrow.names]
        return pa.table({name: file.read(columns=[name]).column(0).take(kept) for name in names})
