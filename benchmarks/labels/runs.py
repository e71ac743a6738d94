"""One stream under one schedule; its result is kept as JSON and never made twice."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.kept import kept, make_once
from benchmarks.labels.schedules import AT_ONCE, configured, times
from daemon.tools.replay import baselines
from daemon.tools.replay.baselines import Bench
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.result import as_json
from daemon.tools.replay.source import read_source
from daemon.tools.replay.subject import inferred_subject
from retrain.records.settings import ModelSettings

NEVER = "never"


@dataclass(frozen=True)
class Run:
    """`name` is a schedule, or "never"; `out` is where results are kept."""

    stream: Path
    name: str
    out: Path
    batches: int = 50
    initial: int = 4
    metric: str = "balanced_accuracy"
    seed: int = 0

    @property
    def path(self) -> Path:
        """Where its result is: of the same name only for the same run."""
        parts = (self.name, self.batches, self.initial, self.metric, self.seed)
        return self.out / self.stream.stem / (re.sub(r"[^A-Za-z0-9.+]+", "-", "_".join(map(str, parts))) + ".json")

    def result(self) -> dict[str, Any]:
        """As it was kept."""
        return kept(self.path)


def execute(run: Run) -> Run:
    """Make the result unless it is there."""
    make_once(run.path, lambda work: play(run, work))
    return run


def play(run: Run, work: Path) -> dict[str, Any]:
    """The result of a run."""
    schedule = times(AT_ONCE if run.name == NEVER else run.name, run.seed)
    settings = _settings(run)
    source = read_source([run.stream], settings, run.batches, work, run.initial, times=schedule)
    if run.name == NEVER:
        return baselines.never(Bench(source, settings, Path.cwd(), run.initial))
    settings = configured(settings, run.name, _negative(run))
    engine = Engine(source, settings, Path.cwd(), run.initial, schedule)
    engine.play()
    return as_json(engine)


def _settings(run: Run) -> ModelSettings:
    target = pq.read_schema(run.stream).names[-1]
    settings = inferred_subject(run.stream, target, "").settings
    estimator = settings.estimator.model_copy(update={"seed": run.seed})
    metric = settings.metric if settings.task == "regression" else run.metric
    return settings.model_copy(
        update={"estimator": estimator, "id_column": None, "time_column": None, "metric": metric}
    )


def _negative(run: Run) -> str:
    """The most frequent class of the initial batches."""
    column = pq.read_table(run.stream).columns[-1]
    rows = len(column) * run.initial // run.batches
    return str(Counter(column[:rows].to_pylist()).most_common(1)[0][0])
