"""The evaluate stage: champion, challenger and a naive baseline on one holdout, and the gate's verdict (see
`retrain.stages.comparison`).

It also completes the staged version: metrics, probe rows with their answers, and what checks need once it is the
champion: the reference that they compare with, and what estimates its performance where labels are missing."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from retrain.model.accelerate import proof_on
from retrain.model.deployment import LoadedDeployment, load_deployment
from retrain.model.recalibration import Recalibration
from retrain.model.version import LoadedVersion
from retrain.monitoring.error_stream import error_span
from retrain.monitoring.estimate import fit_estimate
from retrain.monitoring.importance import permutation_importance
from retrain.monitoring.reference import version_reference
from retrain.monitoring.unseen import MOST_FOLDS, Unseen, unseen_predictions
from retrain.operations import EvaluateRequest, EvaluateResult, StoredDeployment, to_json
from retrain.planning.gate import Opening
from retrain.records.errors import Refused
from retrain.records.predictions import Labels, Predictions
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings
from retrain.rows.columns import open_snapshot
from retrain.rows.history import History
from retrain.stages.comparison import judge
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
SAMPLE_ROWS = 5_000
FOLDS_SHARE = 0.25
KEPT_UNSEEN = 50_000
"""Rows of the newest files of which it is kept what the version says of them unseen."""


def evaluate(request: EvaluateRequest) -> EvaluateResult:
    """Judge the staged version in `work`/version."""
    settings, staged = request.settings, request.work / "version"
    challenger = load_staged(staged, settings.estimator.trusted_types)
    train, held_out = request.prepared.train, request.prepared.holdout
    holdout = pq.read_table(held_out, pre_buffer=False)
    notes: list[str] = []
    champion = _champion(request.champion, settings, notes)
    history = History(request.files, challenger.schema, settings.labels, request.now, champion is None)

    @cache
    def unseen() -> Unseen:
        return unseen_predictions(challenger, train, held_out, settings, _affordable_folds(request))

    incomparable = "; ".join(notes) if champion is None else ""
    opening = Opening(request.trigger, tuple(request.past), request.tries, incomparable=incomparable)
    judged = judge(challenger, champion, holdout, history, settings, request.twin, opening, unseen)
    y, said = judged.y, judged.said
    if judged.result["forecast"] is not None and request.champion is not None:
        judged.result["forecast"] |= {"against": request.champion.number, "earlier": request.earlier}
    decision = Recalibration.from_json(judged.result["decision"])
    notes += [decision.rule.sentence()] if decision is not None and decision.rule is not None else []
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
    promoted = result.verdict == "promote"  # one that is kept from being served is not trained again for this
    known = unseen() if promoted else unseen_predictions(challenger, train, held_out, settings, 0)
    write_reference(staged, version_reference(challenger, train, held_out, settings, known, request.prepared.whole))
    write_unseen(staged, known.newest(KEPT_UNSEEN).to_table())
    write_sample(staged, _sample(train, challenger))
    return result


def _estimate(
    version: LoadedVersion, y: Labels, said: Predictions, holdout: pa.Table, settings: ModelSettings
) -> dict[str, Any]:
    """What the held-out rows tell about rows without labels."""
    matrix = version.preprocessor.numbers(holdout) if version.schema.task == "regression" else None
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


def _probe_rows(holdout: pa.Table, schema: Schema) -> list[dict[str, Any]]:
    """Held-out rows spread over time, features only."""
    positions = np.unique(np.linspace(0, holdout.num_rows - 1, PROBE_ROWS).astype(int))
    names = [column.name for column in schema.features if column.name in holdout.column_names]
    rows: list[dict[str, Any]] = holdout.select(names).take(pa.array(positions)).to_pylist()
    return rows


def _affordable_folds(request: EvaluateRequest) -> int:
    """How many times more the estimator may be trained for predictions out of fold: not where that takes more than a
    quarter of the time that a training has."""
    affordable = FOLDS_SHARE * request.settings.limits.train_time / max(request.train_seconds, 1e-3)
    return min(MOST_FOLDS, int(affordable))


def _sample(rows: Path, version: LoadedVersion) -> pa.Table:
    """At most SAMPLE_ROWS whole rows, spread over all prepared ones: the features but for dates, which only a
    preparation of the user's needs."""
    schema, with_dates = version.schema, version.preprocessor.preparation is not None
    with open_snapshot(rows) as file:
        step = max(1, -(-file.metadata.num_rows // SAMPLE_ROWS))
        kept = pa.array(np.arange(0, file.metadata.num_rows, step))
        names = [
            c.name
            for c in schema.features
            if c.name in file.schema_arrow.names and (with_dates or c.kind != "datetime")
        ]
        return pa.table({name: file.read(columns=[name]).column(0).take(kept) for name in names})
