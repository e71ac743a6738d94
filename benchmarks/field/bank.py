"""Trains the models of a bank: one for each batch and window, as `driftd replay` trains its baselines."""

import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.field.walk import Bank, save
from daemon.tools.replay.baselines import WINDOWS, Bench, fresh
from daemon.tools.replay.source import BatchFile, read_source
from retrain.metrics.classification import hits
from retrain.model.version import LoadedVersion
from retrain.records.predictions import Floats
from retrain.records.settings import ModelSettings
from retrain.rows.history import History
from retrain.rows.targets import target_values

Made = tuple[LoadedVersion | None, float]


def ensure(path: Path, stream: Path, settings: ModelSettings, batches: int, initial: int) -> Path:
    """The stream's bank, made unless it is there."""
    if not path.exists():
        with TemporaryDirectory(prefix="driftd-field-") as work:
            bench = Bench(read_source([stream], settings, batches, Path(work), initial), settings, Path.cwd(), initial)
            save(made(bench), path)
    return path


def made(bench: Bench) -> Bank:
    """Train and score every model."""
    started = time.process_time()
    first = bench.first()
    spent = time.process_time() - started
    batches, initial = bench.source.batches, bench.initial
    edges = np.cumsum([0, *(batch.rows for batch in batches)]).astype(np.float64)
    numbers, shape = bench.source.schema.task == "regression", (len(WINDOWS), len(batches) - initial)
    scores = np.full((*shape, len(batches)), np.nan)
    errors = np.zeros((*shape, int(edges[-1])), dtype=np.float32 if numbers else np.uint8)
    costs = np.zeros(shape)
    served = dict.fromkeys(WINDOWS, first)
    for model in range(len(batches) - initial):
        found = _trained(bench, model, (first, spent))
        judged: dict[int, list[tuple[float, Floats]]] = {}
        for place, (window, (version, seconds)) in enumerate(found.items()):
            served[window] = version or served[window]
            costs[place, model] = seconds
            later = batches[initial + model :]
            told = judged.setdefault(id(served[window]), []) or [_judged(bench, served[window], one) for one in later]
            judged[id(served[window])] = told
            for batch, (score, wrong) in zip(later, told, strict=True):
                scores[place, model, batch.place] = score
                errors[place, model, int(edges[batch.place]) : int(edges[batch.place + 1])] = wrong
    metric = first.metric
    return Bank((*WINDOWS,), initial, edges, scores, errors, costs, metric.name, metric.greater_is_better, not numbers)


def _trained(bench: Bench, model: int, first: Made) -> Mapping[str, Made]:
    """By window a model that knows so many batches more than the first one, and its CPU seconds."""
    if not model:
        return dict.fromkeys(WINDOWS, first)
    return fresh(bench, bench.initial + model, first[0].training["metric"])


def _judged(bench: Bench, version: LoadedVersion, batch: BatchFile) -> tuple[float, Floats]:
    """What a version alone scores on a batch (NaN: undefined), and by row whether it errs, or by how much; rows without
    a label count as right."""
    judged = History([batch.served()], bench.source.schema).whole(batch.seq)
    y, known = target_values(judged.table, bench.source.schema), judged.known
    answers = version.predict_table(judged.table).take(known)
    score = version.metric.score(y[known], answers)
    wrong = np.zeros(batch.rows)
    wrong[known] = np.abs(y[known] - answers.values) if answers.classes is None else 1 - hits(y[known], answers)
    return np.nan if score is None else score, wrong
