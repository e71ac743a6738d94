"""One stream under one schedule."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.kept import Run
from benchmarks.labels.schedules import AT_ONCE, configured, times
from daemon.tools.replay import baselines
from daemon.tools.replay.baselines import Bench
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.result import as_json
from daemon.tools.replay.source import read_source
from daemon.tools.replay.subject import inferred_subject
from retrain.records.settings import ModelSettings

NEVER = "never"


def play(run: Run, work: Path) -> dict[str, Any]:
    """The result of a run: `name` is a schedule, or "never"."""
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
