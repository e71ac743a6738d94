"""What a replay is compared with: the first model for good, a retrain at every batch, a retrain each N batches.

`never` and `every` are plain: no archive, no recalibration, nothing held out, and labels that are never late."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from daemon.tools.replay.engine import Engine
from daemon.tools.replay.evidence import mean_of
from daemon.tools.replay.label_times import LabelTimes
from daemon.tools.replay.source import BatchFile, Source
from retrain.model.version import LoadedVersion
from retrain.operations import PreparedRows
from retrain.records.errors import Refused
from retrain.records.settings import ModelSettings
from retrain.rows.history import History
from retrain.rows.targets import target_values
from retrain.rows.window import weighted
from retrain.stages.prepare import labelled_rows, learnable, prepare_rows
from retrain.stages.train import fit_version

WINDOWS: Mapping[str, dict[str, Any]] = {
    "last3": {"kind": "files", "files": 3},
    "last12": {"kind": "files", "files": 12},
    "all": {"kind": "all"},
    "decay": {"kind": "decay", "half_life_files": 6.0},
}
Progress = Callable[[int], None] | None


@dataclass(frozen=True)
class Bench:
    """What baselines need: the batches, the settings, and how many batches the first model gets."""

    source: Source
    settings: ModelSettings
    config_dir: Path
    initial: int

    def first(self) -> LoadedVersion:
        """The first model, as the policy begins with; Refused where the initial batches cannot give one."""
        files = [batch.accepted() for batch in self.source.batches[: self.initial]]
        prepared = prepare_rows(files, self.source.schema, self.settings, None, None)
        return self.fit(prepared.train, prepared.rows, None)

    def fit(self, table: pa.Table, prepared: PreparedRows, metric: Mapping[str, Any] | None) -> LoadedVersion:
        """A version of these rows; `metric` is the record of the first model's."""
        schema, where = self.source.schema, self.config_dir
        return fit_version(table, prepared, schema, self.settings, metric, "baseline", 1, where)

    def score(self, version: LoadedVersion, batch: BatchFile) -> float | None:
        """What a version alone scores on a batch."""
        judged = History([batch.served()], self.source.schema).whole(batch.seq)
        y, known = target_values(judged.table, self.source.schema), judged.known
        return version.metric.score(y[known], version.predict_table(judged.table).take(known))


def never(bench: Bench, progress: Progress = None) -> dict[str, Any]:
    """The first model for good."""
    started = time.process_time()
    version = bench.first()
    spent = time.process_time() - started
    scores: list[float | None] = [None] * bench.initial
    scores += [bench.score(version, batch) for batch in _served(bench, progress)]
    return {"scores": scores, "mean": mean_of(scores), "cpu_seconds": spent, "retrains": 0}


def every(bench: Bench, progress: Progress = None) -> dict[str, Any]:
    """A model of each window, trained anew before every batch; the best window in hindsight."""
    first = bench.first()
    scores: dict[str, list[float | None]] = {window: [None] * bench.initial for window in WINDOWS}
    spent, models = dict.fromkeys(WINDOWS, 0.0), dict.fromkeys(WINDOWS, first)
    for batch in _served(bench, progress):
        made = fresh(bench, batch.seq - 1, first.training["metric"])
        for window, (version, seconds) in made.items():
            models[window] = version or models[window]
            spent[window] += seconds
            scores[window].append(bench.score(models[window], batch))
    means = {window: mean_of(scored) for window, scored in scores.items()}
    best = _best(means, first.metric.greater_is_better)
    return {
        "scores": scores[best], "mean": means[best], "cpu_seconds": spent[best], "window": best, "windows": means,
        "cpu_seconds_by_window": spent, "scores_by_window": scores,
        "retrains": len(bench.source.batches) - bench.initial,
    }  # fmt: skip


def periodic(bench: Bench, period: int, times: LabelTimes, progress: Progress = None) -> Engine:
    """The daemon with its adaptation, but a retrain each `period` batches in place of the planner's triggers."""
    engine = Engine(
        bench.source, without_triggers(bench.settings), bench.config_dir, bench.initial, times, period, checks=False
    )
    engine.play(progress)
    return engine


def without_triggers(settings: ModelSettings) -> ModelSettings:
    """Nothing opens a cycle but a person or a clock."""
    off: dict[str, Any] = dict.fromkeys(("regret", "growth", "max_age", "new_rows"))
    off |= {"on_drift": False, "on_performance": False}
    return settings.model_copy(update={"triggers": settings.triggers.model_copy(update=off)})


def fresh(bench: Bench, up_to: int, metric: Mapping[str, Any]) -> dict[str, tuple[LoadedVersion | None, float]]:
    """By window a model of the first `up_to` batches (None where they cannot give one) and its CPU seconds. Windows
    that hold the same rows share a model; each counts its cost."""
    started = time.process_time()
    files = [batch.accepted() for batch in bench.source.batches[:up_to]]
    table = labelled_rows(files, bench.source.schema, bench.settings, [])
    times, sequence = np.asarray(table.column("__time").to_numpy()), table.column("__seq").to_numpy()
    collected = time.process_time() - started
    made: dict[tuple[bytes, bytes], tuple[LoadedVersion | None, float]] = {}
    models = {}
    for window, wanted in WINDOWS.items():
        started = time.process_time()
        mask, weight = weighted(times, sequence, bench.settings.window.model_copy(update=wanted))
        key = (mask.tobytes(), weight.tobytes())
        if key not in made:
            rows = table.append_column("__weight", pa.array(weight)).filter(pa.array(mask))
            version = _fitted(bench, rows, metric)
            made[key] = version, collected + time.process_time() - started
        models[window] = made[key]
    return models


def _fitted(bench: Bench, rows: pa.Table, metric: Mapping[str, Any]) -> LoadedVersion | None:
    try:
        return bench.fit(learnable(rows, bench.source.schema, []), PreparedRows(), metric)
    except Refused:
        return None


def _best(means: Mapping[str, float | None], greater: bool) -> str:
    known = {window: mean if greater else -mean for window, mean in means.items() if mean is not None}
    return max(known, key=lambda window: known[window]) if known else "decay"


def _served(bench: Bench, progress: Progress) -> Iterator[BatchFile]:
    """The batches after the first model's, each counted once it was scored."""
    for batch in bench.source.batches[bench.initial :]:
        yield batch
        if progress is not None:
            progress(batch.seq)
