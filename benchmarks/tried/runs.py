"""One replay with what was tried in place."""

from pathlib import Path
from typing import Any

from benchmarks.kept import Run
from benchmarks.streams.runs import settings_of, thinned
from benchmarks.tried.disagreement import Alarm
from benchmarks.tried.variants import VARIANTS
from daemon.tools.replay import baselines
from daemon.tools.replay.baselines import Bench
from daemon.tools.replay.engine import Engine
from daemon.tools.replay.label_times import late
from daemon.tools.replay.result import as_json
from daemon.tools.replay.source import read_source

NEVER = "never"


def play(run: Run, work: Path) -> dict[str, Any]:
    """The result of a run: `name` is "never" or one of VARIANTS."""
    settings, times = settings_of(run), late(str(run.delay))
    source = read_source([thinned(run, work)], settings, run.batches, work, run.initial, times=times)
    bench = Bench(source, settings, Path.cwd(), run.initial)
    told = {"greater_is_better": bench.first().metric.greater_is_better}
    if run.name == NEVER:
        return baselines.never(bench) | told
    variant = VARIANTS[run.name]
    for section, keys in variant.changes.items():
        settings = settings.model_copy(update={section: getattr(settings, section).model_copy(update=dict(keys))})
    with variant.place() as placed:
        engine = Engine(source, settings, Path.cwd(), run.initial, times, checks=variant.checks)
        engine.play()
    alarms = {"alarms": placed.raised} if isinstance(placed, Alarm) else {}
    return as_json(engine) | told | alarms
