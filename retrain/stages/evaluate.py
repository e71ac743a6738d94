"""The evaluate stage: champion, challenger and a naive baseline on one holdout, and the gate's verdict.

It also completes the staged version: metrics, probe rows with their answers, and what checks need once it is the
champion: the reference that they compare with, and what estimates its performance where labels are missing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from drift.notation import counted
from retrain.metrics.losses import row_losses
from retrain.metrics.metric import Metric, weighted
from retrain.metrics.resampling import bootstrap_scores, mean_error, standard_error
from retrain.model.accelerate import proof_on
from retrain.model.deployment import LoadedDeployment, fair_decision, load_deployment
from retrain.model.version import LoadedVersion
from retrain.monitoring.cache import Memory
from retrain.monitoring.error_stream import error_span
from retrain.monitoring.estimate import fit_estimate
from retrain.monitoring.importance import permutation_importance
from retrain.monitoring.reference import version_reference
from retrain.monitoring.twins import window_twin
from retrain.monitoring.unseen import MOST_FOLDS, unseen_predictions
from retrain.operations import EvaluateRequest, EvaluateResult, StoredDeployment, to_json
from retrain.planning.gate import PairedGain, Verdict, decide
from retrain.planning.twin_windows import WINDOWS
from retrain.records.errors import Refused
from retrain.records.predictions import Labels, Predictions
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings
from retrain.rows.answered import row_weights
from retrain.rows.columns import open_snapshot
from retrain.rows.history import History
from retrain.rows.targets import target_values
from retrain.store.versions import (
    load_staged,
    load_version,
    write_json,
    write_probe,
    write_reference,
    write_sample,
    write_unseen,
)

PROBE_ROWS = 20
MAX_SLICES = 50
SAMPLE_ROWS = 5_000
FOLDS_SHARE = 0.25
KEPT_UNSEEN = 50_000
"""Rows of the newest files of which it is kept what the version says of them unseen."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Labels (n,) of the held-out rows, the challenger's predictions of them, and the verdict as JSON values."""

    y: Labels
    said: Predictions
    result: dict[str, Any]


def evaluate(request: EvaluateRequest) -> EvaluateResult:
    """Judge the staged version in `work`/version."""
    settings, staged = request.settings, request.work / "version"
    challenger = load_staged(staged, settings.estimator.trusted_types)
    train, held_out = request.prepared.train, request.prepared.holdout
    holdout = pq.read_table(held_out, pre_buffer=False)
    notes: list[str] = []
    champion = _champion(request.champion, settings, notes)
    history = History(request.files, challenger.schema, settings.labels, request.now, champion is None)
    judged = judge(challenger, champion, holdout, history, settings, request.twin)
    y, said = judged.y, judged.said
    result = EvaluateResult(
        **judged.result,
        notes=notes,
        error_span=error_span(y, said),
        runtime=proof_on(challenger.estimator, challenger.preprocessor.transform(holdout)),
        importance=permutation_importance(challenger, holdout, y, settings.estimator.seed),
    )
    write_json(staged, "metrics.json", to_json(result), "evaluate.metrics")
    write_json(staged, "estimate.json", _estimate(challenger, y, said, holdout, settings), "evaluate.estimate")
    rows = _probe_rows(holdout, challenger.schema)
    write_probe(staged, rows, challenger.predict_rows(rows))
    unseen = unseen_predictions(challenger, train, held_out, settings, _folds(request, result))
    write_reference(staged, version_reference(challenger, train, held_out, settings, unseen))
    write_unseen(staged, unseen.newest(KEPT_UNSEEN).to_table())
    write_sample(staged, _sample(train, challenger.schema))
    return result


def judge(
    challenger: LoadedVersion,
    champion: LoadedDeployment | None,
    holdout: pa.Table,
    history: History,
    settings: ModelSettings,
    window: str,
) -> Judged:
    """The stage's decision on held-out rows; `window` is the twin's whose handicap is told."""
    y = target_values(holdout, challenger.schema)
    said = challenger.predict_table(holdout)
    result = compare(challenger, champion, said, holdout, y, settings)
    result["handicap"] = twin_handicap(history, challenger, said, holdout, y, settings, window)
    return Judged(y, said, result)


def _estimate(
    version: LoadedVersion, y: Labels, said: Predictions, holdout: pa.Table, settings: ModelSettings
) -> dict[str, Any]:
    """What the held-out rows tell about rows without labels."""
    matrix = version.preprocessor.transform(holdout) if version.schema.task == "regression" else None
    median = version.training["metric"]["initial_median"]
    return fit_estimate(version.schema.task, y, said, matrix, settings.estimator.seed, initial_median=median)


def _champion(stored: StoredDeployment | None, settings: ModelSettings, notes: list[str]) -> LoadedDeployment | None:
    if stored is None:
        return None
    try:
        return load_deployment(stored, lambda path: load_version(path, settings.estimator.trusted_types))
    except Refused as error:
        notes.append(f"the champion cannot be compared: {error}")
        return None


def compare(
    challenger: LoadedVersion,
    champion: LoadedDeployment | None,
    said: Predictions,
    holdout: pa.Table,
    y: Labels,
    settings: ModelSettings,
) -> dict[str, Any]:
    """Challenger (who said `said`), champion and the naive baseline on the held-out rows, and the gate's verdict. Where
    the metric rewards a decision by the classes' shares, challenger and champion are both judged with it."""
    metric, seed = weighted(challenger.metric, row_weights(holdout)), settings.estimator.seed
    rule = fair_decision(challenger, settings)
    before = None if champion is None else champion.predict_table(holdout)
    if rule is not None:
        said, before = rule.apply(said), None if before is None else rule.apply(before)
    scores = {"challenger": said, "champion": before, "baseline": challenger.baseline.predict(len(y))}
    told = {who: _scored(metric, y, one, seed) for who, one in scores.items() if one is not None}
    differences: tuple[PairedGain, ...] = ()
    if champion is not None and before is not None:
        told["champion"]["version"] = champion.newest
        differences = tuple(_differences(challenger.metric, y, said, before, holdout, settings))
    if champion is not None and before is not None and _is_same(challenger, champion.version, said, before):
        verdict = Verdict(False, f"it answers all {counted(len(y), 'held-out row')} exactly as {champion.newest} does")
    else:
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


def _is_same(challenger: LoadedVersion, newest: LoadedVersion, said: Predictions, before: Predictions) -> bool:
    """Whether a challenger of the newest version's schema answers what is served to the bit; classes alone, without
    probabilities, are too coarse to tell."""
    tells = said.classes is None or said.probabilities is not None
    return tells and challenger.schema == newest.schema and said.equals(before)


def twin_handicap(
    history: History,
    challenger: LoadedVersion,
    said: Predictions,
    holdout: pa.Table,
    y: Labels,
    settings: ModelSettings,
    window: str,
) -> float | None:
    """How much less the challenger costs a held-out row than its twin of that window; None where that cannot be
    told."""
    up_to = max(holdout.column("__seq").to_pylist(), default=0)
    twin = window_twin(history, challenger, WINDOWS[window], up_to, settings.estimator.seed, Memory())
    if twin is None:
        return None
    rule = fair_decision(challenger, settings)
    tiny_said = twin(challenger.preprocessor.transform(holdout))
    both = [said, tiny_said] if rule is None else [rule.apply(said), rule.apply(tiny_said)]
    full, tiny = (row_losses(weighted(challenger.metric, row_weights(holdout)), y, one) for one in both)
    return None if full is None or tiny is None else float((full - tiny).mean())


def _verdict(
    metric: Metric,
    rows: int,
    told: Mapping[str, Any],
    champion: LoadedDeployment | None,
    differences: tuple[PairedGain, ...],
    settings: ModelSettings,
) -> Verdict:
    challenger, baseline = told["challenger"]["value"], told["baseline"]["value"]
    gain = None if challenger is None or baseline is None else metric.improvement(baseline, challenger)
    before = None
    if champion is not None and told["champion"]["value"] is not None:
        before = champion.newest, told["champion"]["value"]
    why = told["challenger"].get("reason") or ""
    limit = settings.gate.max_worse_se
    return decide(metric.name, rows, challenger, baseline, gain, before, differences, limit, why=why)


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
) -> Iterator[PairedGain]:
    """Over all rows first, then in each slice of enough rows."""
    seed, weights = settings.estimator.seed, row_weights(holdout)
    overall = paired_difference(weighted(metric, weights), y, said, before, seed)
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
            of_rows = weighted(metric, None if weights is None else weights[mask])
            found = paired_difference(of_rows, y[mask], said.take(mask), before.take(mask), seed, where)
            if found is not None:
                yield found


def paired_difference(
    metric: Metric, y: Labels, said: Predictions, before: Predictions, seed: int, where: str = ""
) -> PairedGain | None:
    """How much better `said` is than `before` on the same rows, with the standard error of the difference:
    of its row values where the metric is their mean, else by block bootstrap; None where undefined."""
    now, then = metric.score(y, said), metric.score(y, before)
    if now is None or then is None:
        return None
    gain = metric.improvement(then, now)
    rows_now, rows_then = metric.row_values(y, said), metric.row_values(y, before)
    if rows_now is not None and rows_then is not None:
        return PairedGain(gain, mean_error(rows_now - rows_then), where, len(y))
    scores = bootstrap_scores(metric, y, [before, said], seed=seed)
    defined = scores[np.isfinite(scores).all(axis=1)]
    error = float((defined[:, 1] - defined[:, 0]).std(ddof=1)) if len(defined) > 1 else None
    return PairedGain(gain, error, where, len(y))


def _probe_rows(holdout: pa.Table, schema: Schema) -> list[dict[str, Any]]:
    """Held-out rows spread over time, features only."""
    positions = np.unique(np.linspace(0, holdout.num_rows - 1, PROBE_ROWS).astype(int))
    names = [column.name for column in schema.features if column.name in holdout.column_names]
    rows: list[dict[str, Any]] = holdout.select(names).take(pa.array(positions)).to_pylist()
    return rows


def _folds(request: EvaluateRequest, result: EvaluateResult) -> int:
    """How many times more the estimator may be trained for predictions out of fold: not for a version that is kept from
    being served, nor where that takes more than a quarter of the time that a training has."""
    affordable = FOLDS_SHARE * request.settings.limits.train_time / max(request.train_seconds, 1e-3)
    return min(MOST_FOLDS, int(affordable)) if result.verdict == "promote" else 0


def _sample(rows: Path, schema: Schema) -> pa.Table:
    """At most SAMPLE_ROWS whole rows, spread over all prepared ones: the features but for dates."""
    with open_snapshot(rows) as file:
        step = max(1, -(-file.metadata.num_rows // SAMPLE_ROWS))
        kept = pa.array(np.arange(0, file.metadata.num_rows, step))
        names = [c.name for c in schema.features if c.kind != "datetime" and c.name in file.schema_arrow.names]
        return pa.table({name: file.read(columns=[name]).column(0).take(kept) for name in names})
