"""One replay whose cycles were foretold: the stream, who opened its cycles, and what each came to, kept as JSON."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.kept import kept, make_once
from benchmarks.streams.runs import Run as Replayed
from benchmarks.streams.runs import settings_of
from daemon.tools.replay import baselines
from daemon.tools.replay.baselines import Bench
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.label_times import late
from daemon.tools.replay.result import as_json
from daemon.tools.replay.source import read_source
from retrain.records.errors import Refused


@dataclass(frozen=True)
class Run:
    """`name` is "policy" (the planner opens cycles) or "everyN" (a clock does); `out` is where results are kept."""

    stream: Path
    name: str
    out: Path
    batches: int = 50
    delay: int = 0
    estimator: str = "auto"
    seed: int = 0

    @property
    def initial(self) -> int:
        """Batches of the first model: a twelfth, four at most."""
        return max(2, min(4, self.batches // 10))

    @property
    def path(self) -> Path:
        """Where its result is: of the same name only for the same run."""
        parts = (self.name, self.batches, self.delay, self.estimator.rpartition(".")[2], self.seed)
        return self.out / self.stream.stem / (re.sub(r"[^A-Za-z0-9.]+", "-", "_".join(map(str, parts))) + ".json")

    def result(self) -> dict[str, Any]:
        """As it was kept."""
        return kept(self.path)


def execute(run: Run) -> Run:
    """Make the result unless it is there."""
    make_once(run.path, lambda work: _play(run, work))
    return run


def _play(run: Run, work: Path) -> dict[str, Any]:
    as_stream = Replayed(run.stream, "policy", run.out, run.batches, run.initial, run.delay, run.estimator, run.seed)
    settings, times = settings_of(as_stream), late(str(run.delay))
    source = read_source([run.stream], settings, run.batches, work, times=times)
    try:
        if run.name == "policy":
            engine = Engine(source, settings, Path.cwd(), run.initial, times, checks=False)
            engine.play()
        else:
            bench = Bench(source, settings, Path.cwd(), run.initial)
            engine = baselines.periodic(bench, int(run.name.removeprefix("every")), times)
    except Refused as error:
        return {"stream": run.stream.stem, "refused": error.message, "cycles": []}
    metric = engine.deployments.current.version.metric
    told = {
        "stream": run.stream.stem,
        "metric": metric.name,
        "errors": not metric.greater_is_better,
        "initial": engine.initial,
    }
    return told | as_json(engine)
