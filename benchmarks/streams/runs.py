"""One run of one stream: what is replayed, with which settings."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.kept import Run
from benchmarks.streams.poisoned import KINDS, poisoned
from daemon.tools.replay import baselines
from daemon.tools.replay.baselines import Bench
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.label_times import late
from daemon.tools.replay.result import as_json
from daemon.tools.replay.source import read_source
from daemon.tools.replay.subject import inferred_subject
from retrain.records.settings import ModelSettings
from retrain.records.settings.units import retrain_budget

Changes = dict[str, dict[str, Any]]
ABLATIONS: dict[str, Changes] = {
    "no archive": {"adaptation": {"archive": 1}},
    "no recalibration": {"adaptation": {"recalibration": False}},
    "no adaptation": {"adaptation": {"archive": 1, "recalibration": False}},
    "no gate": {"gate": {"tolerance": 1e9}},
    "no growth": {"triggers": {"growth": None}},
    "no regret": {"triggers": {"regret": None}},
    "no drift prior": {"triggers": {"drift_prior": 1.0}},
    "loose budget": {"triggers": {"retrains": retrain_budget("100 per 100 batches")}},
    "no probation": {"probation": {"files": 0}},
    "nothing held": {"suspicion": {"hold": False}},
    "window decay": {"window": {"kind": "decay"}},
    "window all": {"window": {"kind": "all"}},
    "window last12": {"window": {"kind": "files", "files": 12}},
}
PLAIN = ("never", "every")
LEARNERS: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "logistic": {
        "classification": ("sklearn.linear_model.LogisticRegression", {}),
        "regression": ("sklearn.linear_model.Ridge", {}),
    },
    "forest": {
        "classification": ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 30, "min_samples_leaf": 5}),
        "regression": ("sklearn.ensemble.RandomForestRegressor", {"n_estimators": 30, "min_samples_leaf": 5}),
    },
}
"""By the names that --estimator knows, a type and its parameters by task."""
SPREAD = 30.0
"""Of the lengths of uneven files, log-uniform."""


def play(run: Run, work: Path) -> dict[str, Any]:
    """The result of a run: `name` is never, every, everyN, policy, one of ABLATIONS, or "poison KIND"."""
    settings = settings_of(run)
    times = late("0" if run.name in PLAIN else str(run.delay))
    files, batches = (_uneven(run, work), None) if run.uneven else ([thinned(run, work)], run.batches)
    source = read_source(files, settings, batches, work, times=times)
    bench = Bench(source, settings, Path.cwd(), run.initial)
    if run.name == "never":
        return _told(baselines.never(bench), bench)
    if run.name == "every":
        return _told(baselines.every(bench), bench)
    if run.name.startswith("every"):
        return _told(as_json(baselines.periodic(bench, int(run.name.removeprefix("every")), times)), bench)
    if run.name.startswith("poison "):
        source = poisoned(source, run.name.removeprefix("poison "), run.initial, run.seed, work)
    engine = Engine(source, settings, Path.cwd(), run.initial, times, checks=run.checks)
    engine.play()
    return _told(as_json(engine), bench)


def _uneven(run: Run, work: Path) -> list[Path]:
    """The stream in files whose lengths differ by up to a factor of SPREAD."""
    table = pq.read_table(run.stream)
    shares = SPREAD ** np.random.default_rng(run.seed).random(run.batches)
    ends = np.rint(np.cumsum(shares) / shares.sum() * table.num_rows).astype(int)
    files = [work / f"uneven{place:03}.parquet" for place in range(run.batches)]
    for path, start, end in zip(files, [0, *ends], ends, strict=False):
        pq.write_table(table.slice(start, end - start), path)
    return files


def thinned(run: Run, work: Path) -> Path:
    """The stream, or of one that is longer than the run asks for so many rows in equal steps, as a file."""
    table = pq.read_table(run.stream)
    if not run.rows or table.num_rows <= run.rows:
        return run.stream
    path = work / run.stream.name
    pq.write_table(table.take(pa.array(np.linspace(0, table.num_rows - 1, run.rows).astype(np.int64))), path)
    return path


def settings_of(run: Run) -> ModelSettings:
    """Of the model that a stream asks for, changed as the run asks."""
    target = pq.read_schema(run.stream).names[-1]
    settings = inferred_subject(run.stream, target, "").settings
    kind, params = LEARNERS.get(run.estimator, {}).get(settings.task, (run.estimator, {}))
    estimator = settings.estimator.model_copy(update={"type": kind, "params": params, "seed": run.seed})
    settings = settings.model_copy(update={"estimator": estimator, "id_column": None, "time_column": None})
    for section, keys in ABLATIONS.get(run.name, {}).items():
        settings = settings.model_copy(update={section: getattr(settings, section).model_copy(update=keys)})
    return settings


def _told(result: dict[str, Any], bench: Bench) -> dict[str, Any]:
    metric = bench.first().metric
    return {**result, "metric": metric.name, "greater_is_better": metric.greater_is_better, "rows": bench.source.rows}


def names(ablation: bool, poison: bool, clock: bool = True) -> list[str]:
    """The runs of a stream, the cheap ones first."""
    found = ["never", "policy", *(["every7"] if clock else []), "every"]
    found += list(ABLATIONS) if ablation else []
    return found + ([f"poison {kind}" for kind in KINDS] if poison else [])
