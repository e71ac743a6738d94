"""What driftd serves of a stream, as `driftd replay` plays it: its result is kept as JSON and never made twice."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.kept import kept, make_once
from daemon.tools.replay.baselines import without_triggers
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.label_times import late
from daemon.tools.replay.result import as_json
from daemon.tools.replay.source import read_source
from daemon.tools.replay.subject import inferred_subject
from retrain.records.settings import ModelSettings


@dataclass(frozen=True)
class Own:
    """`changes` are configuration by section, such as `{"triggers": {"regret": 0.3}}`, or by key; `period` retrains by
    the clock in place of the planner; `name` is what its result is kept by, beside a digest of the changes."""

    name: str
    stream: Path
    out: Path
    batches: int
    initial: int
    delay: int = 0
    seed: int = 0
    period: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def path(self) -> Path:
        """Of the same name only for the same run."""
        changes = hashlib.sha256(json.dumps([self.changes, self.period], sort_keys=True).encode()).hexdigest()[:8]
        parts = (self.name, self.batches, self.initial, self.delay, self.seed, changes)
        return self.out / self.stream.stem / ("_".join(map(str, parts)) + ".json")

    def result(self) -> dict[str, Any]:
        """As it was kept."""
        return kept(self.path)


def execute(run: Own) -> dict[str, Any]:
    """The result, made unless it is there."""
    make_once(run.path, lambda work: _play(run, work))
    return run.result()


def _play(run: Own, work: Path) -> dict[str, Any]:
    times, settings = late(str(run.delay)), configured(run.stream, run.seed, run.changes)
    source = read_source([run.stream], settings, run.batches, work, times=times)
    if run.period is None:
        engine = Engine(source, settings, Path.cwd(), run.initial, times)
    else:
        engine = Engine(source, without_triggers(settings), Path.cwd(), run.initial, times, run.period, checks=False)
    engine.play()
    return as_json(engine)


def configured(stream: Path, seed: int = 0, changes: Mapping[str, Any] | None = None) -> ModelSettings:
    """What `driftd init` would write for the stream, whose last column is the target, with some changes; a key that is
    None stays as it is."""
    told = inferred_subject(stream, pq.read_schema(stream).names[-1], "").settings.model_dump(mode="json")
    told |= {"id_column": None, "time_column": None, "estimator": {"seed": seed}}
    for key, value in (changes or {}).items():
        told[key] = {**(told.get(key) or {}), **value} if isinstance(value, Mapping) else value
    return ModelSettings.model_validate(told)
