"""Estimated performance, with and without weights of density ratios, against what came.

CBPE calibrates the model's probabilities on a reference period; PAPE (probabilistic adaptive performance estimation,
of NannyML) weighs the reference's rows by how much likelier they are in the batch that is estimated, as a classifier of
the two tells (Sugiyama et al. 2007)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.kept import Run
from benchmarks.streams.runs import settings_of, thinned
from daemon.tools.replay.baselines import Bench
from daemon.tools.replay.source import read_source
from retrain.model.blend import concatenate
from retrain.model.version import LoadedVersion
from retrain.monitoring.estimate import estimate_performance, fit_estimate
from retrain.monitoring.estimate.curves import Curves
from retrain.records.predictions import Floats, Labels, Predictions
from retrain.rows.history import History
from retrain.rows.targets import target_values

TRAINED, REFERENCE = 8, 4
"""Batches that the model is trained on, and after them those that estimates are fitted to."""
FOLDS, LARGEST = 2, 20.0
"""Of the classifier, so that no row is weighed by what was fitted to it; of a weight."""
SHOWN = 0.05
"""A drop of the metric that an estimate should see."""


def density_ratios(reference: Floats, current: Floats, seed: int) -> Floats:
    """How much likelier each row of `reference` (n, features) is in `current` (m, features), of mean 1; shape (n,)."""
    rng, found = np.random.default_rng(seed), np.ones(len(reference))
    folds = [rng.integers(0, FOLDS, len(rows)) for rows in (reference, current)]
    for fold in range(FOLDS):
        X = np.concatenate([reference[folds[0] != fold], current[folds[1] != fold]])
        y = np.r_[np.zeros(int((folds[0] != fold).sum())), np.ones(int((folds[1] != fold).sum()))]
        told = HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=8, random_state=seed).fit(X, y)
        likely = told.predict_proba(reference[folds[0] == fold])[:, 1]
        found[folds[0] == fold] = np.clip(likely / np.maximum(1 - likely, 1e-9), 1 / LARGEST, LARGEST)
    return np.asarray(found / found.mean())


def play_estimates(run: Run, work: Path) -> dict[str, Any]:
    """By batch after the reference what the metric came to, and both estimates; empty for numbers."""
    settings = settings_of(run)
    if settings.task != "classification":
        return {"stream": run.stream.stem, "metric": "", "came": []}
    source = read_source([thinned(run, work)], settings, run.batches, work, TRAINED)
    bench = Bench(source, settings, Path.cwd(), TRAINED)
    version, parts = bench.first(), []
    for batch in source.batches[TRAINED:]:
        rows = History([batch.served()], source.schema).whole(batch.seq).labelled()
        y = target_values(rows.table, source.schema)
        parts.append((y, version.matrix(rows.table), version.predict_table(rows.table)))
    y, X = (np.concatenate([part[place] for part in parts[:REFERENCE]]) for place in (0, 1))
    said = concatenate([part[2] for part in parts[:REFERENCE]])
    fitted = fit_estimate("classification", y, said, None, run.seed)
    found: dict[str, list[float | None]] = {"came": [], "cbpe": [], "pape": []}
    for truth, matrix, answer in parts[REFERENCE:]:
        found["came"].append(version.metric.score(truth, answer))
        found["cbpe"].append(estimate_performance(version.metric, fitted, answer, None)["value"])
        found["pape"].append(weighted_estimate(version, y, X, said, matrix, answer, run.seed))
    reference = version.metric.score(y, said)
    return {"stream": run.stream.stem, "metric": version.metric.name, "reference": reference, **found}


def weighted_estimate(
    version: LoadedVersion, y: Labels, X: Floats, said: Predictions, matrix: Floats, answer: Predictions, seed: int
) -> float:
    """PAPE of rows (m, features) and the answers to them, by reference rows with labels y (n,)."""
    curves = Curves.fit(y, said, density_ratios(X, matrix, seed)[None, :])
    return curves.score(version.metric.name, answer)(curves.believe(answer, None, 0), np.ones(len(answer)))


def estimate_table(kept: Sequence[dict[str, Any]]) -> str:
    """By stream the mean absolute error of "as on the reference", CBPE and PAPE, and of the batches that fell by .05
    how many each estimate sees half of the fall of."""
    rows = [
        "| stream | metric | as before | CBPE | PAPE | fell by .05 | seen by CBPE | by PAPE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in kept:
        came = np.array(one["came"], dtype=np.float64)
        known = np.isfinite(came)
        if not known.any():
            continue
        told = {name: np.array(one[name], dtype=np.float64)[known] for name in ("cbpe", "pape")}
        came, before = came[known], float(one["reference"])
        errors = [np.abs(came - before).mean(), *(np.nanmean(np.abs(came - value)) for value in told.values())]
        fell = before - came >= SHOWN
        seen = [int((before - value[fell] >= SHOWN / 2).sum()) for value in told.values()]
        cells = " | ".join(f"{error:.3f}" for error in errors)
        rows.append(f"| {one['stream']} | {one['metric']} | {cells} | {int(fell.sum())} | {seen[0]} | {seen[1]} |")
    return "\n".join(rows)
