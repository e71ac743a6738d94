"""A real MLflow that is away for an hour, and comes back with yesterday's database, beside a ledger that goes on: the
clock is the test's. `make mlflow` runs this."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import until
from ledgers import new_ledger
from mlflow_server import LONG_S, WHY_NOT, MlflowServer, asked
from sqlalchemy import func, select
from structlog.testing import capture_logs

from daemon.config.config import load_config
from daemon.ledger import Ledger, cycles, deployments, models, promotions, trials, versions
from daemon.ledger.tables import files, outbox
from daemon.ledger.tables import versions as version_table
from daemon.registry.wanted import mirror_standing, wanted_model
from daemon.runtime.registries import WantedModel
from daemon.service import mirroring as module
from daemon.service.mirroring import Mirroring
from retrain.records.cycle import CycleState
from retrain.records.outcome import Outcome
from retrain.records.settings.decisions import RolloutSettings
from retrain.records.trigger import Trigger

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("mlflow"), pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
HOUR_S = 3600.0
CONFIG = """\
[service]
state_dir = "state"
[mlflow]
tracking_uri = "{uri}"
check_every = "1d"
[models.m]
data_dir = "d"
task = "classification"
target = "y"
"""
ALL = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
model = client.get_registered_model("m")
found = {}
for one in client.search_model_versions("name = 'm'"):
    run = client.get_run(one.run_id)
    found[one.tags["driftd.version"]] = {
        "number": one.version, "tags": one.tags, "card": one.description,
        "run_tags": {key: value for key, value in run.data.tags.items() if key in one.tags}, "metrics": run.data.metrics,
        "datasets": sorted([one.dataset.name, json.loads(one.dataset.source)["sha256"]] for one in run.inputs.dataset_inputs),
        "files": sorted(each.path for each in client.list_artifacts(one.run_id, "model")),
    }
print(json.dumps({"tags": model.tags, "aliases": model.aliases, "versions": found}))
"""
DELETES = """
import sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
for one in client.search_model_versions("name = 'm'"):
    if one.tags["driftd.version"] == sys.argv[2]:
        client.delete_model_version("m", one.version)
        client.set_tag(one.run_id, "driftd.trigger", "nobody")
client.set_registered_model_alias("m", "champion", client.search_model_versions("name = 'm'")[0].version)
"""


class Kept:
    """A ledger with versions of model m and the files that they learned from, a clock, and no service."""

    def __init__(self, folder: Path, uri: str) -> None:
        (folder / "config.toml").write_text(CONFIG.format(uri=uri))
        self.config, self.now = load_config(folder / "config.toml"), 1_000_000.0
        self.ledger: Ledger = new_ledger(folder / "state")
        with self.ledger.begin() as conn:
            models.ensure(conn, "m")

    def version(self, number: int) -> str:
        """One more, of a cycle that learned from one more file; it is not promoted."""
        name, at, digest = f"v{number:04}-{number:08x}", self.now, f"{number:064x}"
        folder = self.config.paths.model("m").version(name)
        folder.mkdir(parents=True)
        (folder / "card.md").write_text(f"# m {name}\n")
        manifest = {"digest": digest, "environment": {"numpy": "2.0"}, "task": "classification"}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with self.ledger.begin() as conn:
            conn.execute(files.insert().values(
                model="m", state="accepted", path=f"{number}.csv", seq=number, sha256=digest, size=1, mtime_ns=1,
                ctime_ns=1, inode=number, rows=40, at=at,
            ))  # fmt: skip
            cycle = cycles.open_cycle(conn, "m", Trigger("manual", "by hand", {}), number, number, at)
            stage = cycles.stage_started(conn, cycle, at)
            cycles.stage_finished(conn, stage, Outcome("ok", {"snapshots": [digest]}), at)
            metrics = {"metric": "accuracy", "challenger": {"value": 0.5 + number / 16, "se": 0.01}, "rows": 40}
            conn.execute(version_table.insert().values(
                model="m", name=name, number=number, digest=digest, cycle_id=cycle.id, created_at=at, metrics=metrics,
            ))  # fmt: skip
            self.cycle = replace(cycle, state=CycleState.KEPT, version=name)
            cycles.save(conn, self.cycle, at)
        return name

    def serve(self, name: str, kind: str = "retrain") -> None:
        """A version becomes the champion."""
        with self.ledger.begin() as conn:
            promotions.record(conn, "m", deployments.for_version(conn, "m", name, self.now), kind, "why", self.now)

    def try_out(self, name: str) -> None:
        """The newest version goes on trial."""
        with self.ledger.begin() as conn:
            terms = RolloutSettings(strategy="shadow")
            trials.begin(conn, self.cycle, deployments.for_version(conn, "m", name, self.now), terms, self.now)

    def remove(self, name: str) -> None:
        """Retention lets a version go."""
        shutil.rmtree(self.config.paths.model("m").version(name))
        with self.ledger.begin() as conn:
            versions.mark_removed(conn, "m", name)

    def wanted(self) -> WantedModel:
        """All that MLflow is to have."""
        with self.ledger.connect() as conn:
            return wanted_model(conn, self.config.paths.model("m"))

    def is_caught_up(self) -> bool:
        """Whether the mirror says that MLflow is as the ledger is."""
        with self.ledger.connect() as conn:
            standing = mirror_standing(conn, self.config)
        return standing is not None and not standing["behind"]

    def attempts(self) -> int:
        """How often anything was tried."""
        with self.ledger.connect() as conn:
            return conn.scalar(select(func.sum(outbox.c.attempts))) or 0


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes the ledger, which is closed afterwards."""
    monkeypatch.setattr(module, "LOOK_S", 0.1)
    with contextlib.ExitStack() as at_the_end:

        def make(uri: str) -> Kept:
            made = Kept(tmp_path, uri)
            at_the_end.callback(made.ledger.close)
            return made

        yield make


def hold_equal(kept: Kept, uri: str) -> None:
    """MLflow has what the ledger has: versions, aliases, metrics, dataset inputs, tags, cards and files."""
    wanted, found = kept.wanted(), json.loads(asked(ALL, uri))
    assert found["tags"] == wanted.tags | {"driftd.origin": wanted.origin}
    numbers = {name: one["number"] for name, one in found["versions"].items()}
    assert numbers.keys() == {one.name for one in wanted.versions}
    aliases = {"champion": wanted.champion, "challenger": wanted.challenger}
    assert {key: str(number) for key, number in found["aliases"].items()} == {
        key: numbers[name] for key, name in aliases.items() if name is not None
    }
    for one in wanted.versions:
        there = found["versions"][one.name]
        assert there["tags"] == there["run_tags"] == one.tags and there["metrics"] == one.metrics
        assert there["datasets"] == [[each.name, each.digest] for each in one.datasets] != []
        if one.folder is not None:
            assert there["card"] == (one.folder / "card.md").read_text("utf-8")
            assert there["files"] == ["model/MLmodel", "model/requirements.txt", "model/version"]


def test_away_for_an_hour_and_back_with_the_database_of_yesterday_it_equals_the_ledger(
    kept: Any, mlflow: MlflowServer, tmp_path: Path
):
    """Versions, promotions, a roll-back, a trial and a retirement while it is away; what was there yesterday and what
    was sent since; and later, while nothing changes here, what somebody changed there."""
    story, server = kept(mlflow.uri), mlflow
    mirroring = Mirroring(
        lambda: story.config, story.ledger, None, lambda: False, {}, lambda: story.now, lambda: story.now
    )

    async def tried(seconds: float = 0.0) -> None:
        """Time passes, and then it is tried again."""
        before = story.attempts()
        story.now += seconds
        await until(lambda: story.attempts() > before, LONG_S)

    async def play() -> None:
        first = story.version(1)
        story.serve(first)
        await until(story.is_caught_up, LONG_S)
        server.save(tmp_path / "yesterday.db")
        second = story.version(2)
        story.serve(second)
        await until(story.is_caught_up, LONG_S)
        await asyncio.to_thread(hold_equal, story, server.uri)

        server.stop()
        third = story.version(3)
        story.serve(third)
        await tried()
        story.serve(first, "rollback")
        story.remove(second)
        story.try_out(story.version(4))
        await tried(HOUR_S / 2)
        await tried(HOUR_S / 2)
        assert not story.is_caught_up()

        server.restore(tmp_path / "yesterday.db")
        await asyncio.to_thread(server.start)
        story.now += module.pause_s(20)
        await until(story.is_caught_up, LONG_S)
        await asyncio.to_thread(hold_equal, story, server.uri)

        await asyncio.to_thread(asked, DELETES, server.uri, third)
        await tried(24 * HOUR_S)
        await asyncio.to_thread(hold_equal, story, server.uri)

    async def both() -> None:
        task = asyncio.create_task(mirroring.run())
        try:
            await play()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    with capture_logs() as logged:
        asyncio.run(both())
    told = [one["event"] for one in logged if one["event"] != "mlflow_mirrored"]
    assert told == ["mlflow_failed", "mlflow_recovered"]
