"""A metric of the user's that cannot be used is told at the start and by the doctor, of what is served as well."""

import asyncio
from pathlib import Path

import learning
from bare_model import bare_model
from structlog.testing import capture_logs

from daemon.config.config import Config
from daemon.cycles.own_metrics import tell_unusable
from daemon.ledger import deployments, promotions
from daemon.runtime.context import ModelContext
from daemon.tools import doctor

CONFIG = """\
[service]
state_dir = "state"
[models.m]
data_dir = "d"
task = "classification"
target = "y"
"""
WITH_DIRECTION = "def f(y_true, y_pred):\n    return 1.0\nf.greater_is_better = True\n"
WITHOUT = WITH_DIRECTION.rpartition("f.")[0]


def serve(context: ModelContext, folder: Path) -> None:
    """A version by the metric own.py:f is the champion; the configuration names no metric any more."""
    version = learning.published(folder / "made", metric=f"{folder}/own.py:f")
    version.rename(context.folders.version(version.name))
    with context.shared.ledger.begin() as conn:
        deployment = deployments.for_version(conn, "m", version.name, 1.0)
        promotions.record(conn, "m", deployment, "cycle", "first", 1.0)


def told(context: ModelContext) -> list[str]:
    """What the start of its keeper logs."""

    async def start() -> None:
        await tell_unusable(context)
        await context.shared.analyst.close()

    with capture_logs() as logs:
        asyncio.run(start())
    return [entry["reason"] for entry in logs if entry["event"] == "metric_refused"]


def test_a_configured_metric_without_a_direction_is_told_at_the_start(tmp_path: Path) -> None:
    """Not by the first training, which may be days away."""
    (tmp_path / "own.py").write_text(WITHOUT)
    with bare_model(tmp_path, CONFIG + 'metric = "own.py:f"\n') as context:
        (reason,) = told(context)
    assert "does not say whether a greater value is better" in reason and "`f.greater_is_better = False`" in reason


def test_what_is_served_by_a_metric_without_a_direction_is_told(tmp_path: Path) -> None:
    """As after an upgrade from a driftd that counted it as greater-is-better: at the start and by the doctor, until
    the file is mended; the version needs no new training."""
    (tmp_path / "own.py").write_text(WITH_DIRECTION)
    with bare_model(tmp_path, CONFIG) as context:
        serve(context, tmp_path)
        assert told(context) == []
        (tmp_path / "own.py").write_text(WITHOUT)
        assert len(told(context)) == 1
        assert any("is served, but cannot be judged" in what for what in bad(context.shared.config))
        (tmp_path / "own.py").write_text(WITH_DIRECTION)
        assert told(context) == [] and not any("judged" in what for what in bad(context.shared.config))


def bad(config: Config) -> list[str]:
    """What the doctor finds wrong."""
    return [finding.what for finding in doctor.examine(config) if finding.level == "error"]
