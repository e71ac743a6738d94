"""Behind a promotion: the link for readers outside, and retention."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledgers import configured, new_ledger
from sqlalchemy import Connection, insert

from daemon.cli import app
from daemon.config.config import load_config
from daemon.cycles.promotion import adjust, link_champion, prune_versions
from daemon.ledger import cycles, deployments, models, promotions, tables, trials, versions
from daemon.runtime.context import ModelContext, Shared, TrainingTurn, make_folders
from daemon.runtime.worker.process import Limits, Worker
from retrain.records.action import Adjust
from retrain.records.settings import RolloutSettings
from retrain.records.trigger import Trigger

CONFIG = """\
[models.m]
data_dir = "d"
task = "classification"
target = "y"
[models.m.retention]
versions = 2
pinned = ["v0003"]
"""
NAMES = [f"v{number:04d}-{number:08x}" for number in range(1, 9)]


def with_versions(folder: Path) -> ModelContext:
    """A model with all of NAMES in its store."""
    (folder / "config.toml").write_text(configured(CONFIG, folder))
    config = load_config(folder / "config.toml")
    ledger = new_ledger(config.state_dir)
    shared = Shared(config, ledger, Worker("analyst", Limits()), TrainingTurn())
    context = ModelContext("m", config.models["m"], shared)
    make_folders(context.folders)
    with ledger.begin() as conn:
        models.ensure(conn, "m")
        for number, name in enumerate(NAMES, start=1):
            (context.folders.versions / name).mkdir()
            row = {"model": "m", "name": name, "number": number, "digest": name, "created_at": 0.0, "metrics": {}}
            conn.execute(insert(tables.versions).values(**row))
    return context


def promote_by_hand(conn: Connection, name: str) -> None:
    """As the command does."""
    deployment = deployments.for_version(conn, "m", name, 0.0)
    promotions.record(conn, "m", deployment, "manual", "by hand", 0.0)


def test_what_is_promoted_while_retention_looks_is_not_removed(tmp_path, monkeypatch):
    """The promotion comes after retention chose what goes, and before it is gone."""
    context = with_versions(tmp_path)
    ledger, begin, victim = context.shared.ledger, context.shared.ledger.begin, NAMES[3]

    @contextmanager
    def promoted_first(durable: bool = False) -> Iterator[Connection]:
        monkeypatch.setattr(ledger, "begin", begin)
        with begin() as conn:
            promote_by_hand(conn, victim)
        with begin(durable) as conn:
            yield conn

    monkeypatch.setattr(ledger, "begin", promoted_first)
    prune_versions(context)
    assert context.folders.version(victim).is_dir() and not context.folders.version(NAMES[0]).exists()
    with ledger.connect() as conn:
        assert victim in {row.name for row in versions.stored(conn, "m")}
    ledger.close()


def test_weights_of_a_version_that_is_gone_are_not_served(tmp_path):
    """What was proposed before retention removed it changes nothing."""
    context = with_versions(tmp_path)
    proposal = {"members": {NAMES[7]: 0.5, NAMES[3]: 0.5}, "recalibration": None}
    prune_versions(context)
    with context.shared.ledger.begin() as conn:
        assert adjust(conn, context, Adjust("the newest rows favour both", proposal)) == {}
        assert promotions.champion(conn, "m") is None
    context.shared.ledger.close()


def test_retention_keeps_champion_predecessor_challenger_pinned_and_the_newest(tmp_path, capsys):
    """All others go, from the store and from the list of stored versions; the link follows the champion, and
    `driftd versions` says which one is pinned."""
    context = with_versions(tmp_path)
    ledger = context.shared.ledger
    with ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("manual", "by hand"), 5, 1, 0.0)
        challenger = deployments.for_version(conn, "m", NAMES[4], 0.0)
        trials.begin(conn, cycle, challenger, RolloutSettings(strategy="shadow"), 0.0)
        for name in (NAMES[0], NAMES[1]):
            promote_by_hand(conn, name)
    link_champion(context)
    prune_versions(context)
    kept = {NAMES[0], NAMES[1], NAMES[2], NAMES[4], NAMES[6], NAMES[7]}
    assert {path.name for path in context.folders.versions.iterdir()} == kept | {"current"}
    assert (context.folders.versions / "current").readlink().name == NAMES[1]
    with ledger.connect() as conn:
        assert {row.name for row in versions.stored(conn, "m")} == kept
    ledger.close()
    capsys.readouterr()
    assert app.run(["--config", str(tmp_path / "config.toml"), "versions", "m", "--json"]) == 0
    assert [row["version"] for row in json.loads(capsys.readouterr().out) if row["pinned"]] == [NAMES[2]]
