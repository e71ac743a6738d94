"""One replay whose cycles were foretold: the stream, who opened its cycles, and what each came to."""

from pathlib import Path
from typing import Any

from benchmarks.kept import Run
from benchmarks.streams.runs import settings_of
from daemon.tools.replay import baselines
from daemon.tools.replay.baselines import Bench
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.label_times import late
from daemon.tools.replay.result import as_json
from daemon.tools.replay.source import read_source
from retrain.records.errors import Refused


def initial(batches: int) -> int:
    """Batches of the first model: a tenth, two to four."""
    return max(2, min(4, batches // 10))


def play(run: Run, work: Path) -> dict[str, Any]:
    """The result of a run: `name` is "policy" (the planner opens cycles) or "everyN" (a clock does)."""
    settings, times = settings_of(run), late(str(run.delay))
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
