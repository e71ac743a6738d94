"""The mirror where its server or its client cannot be had: what waits is in the outbox, told once, and tried again.

What it does with a real server: tests/registry."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import until
from ledgers import new_ledger
from outboxes import waiting_messages
from structlog.testing import capture_logs

from daemon.config.config import Config, load_config
from daemon.config.registries import MLFLOW
from daemon.ledger import Ledger, deployments, events, models, outbox, promotions, versions
from daemon.ledger.tables import versions as version_table
from daemon.registry.wanted import mirror_standing, numbers, wanted_key, wanted_model
from daemon.service import mirroring as module
from daemon.service.ledger_writes import PendingWrites
from daemon.service.mirroring import Mirroring
from daemon.service.notifying import Notifying

CONFIG = """\
[service]
state_dir = "state"
[mlflow]
tracking_uri = "http://127.0.0.1:9"
{more}
[models.m]
data_dir = "d"
task = "classification"
target = "y"
"""


class Kept:
    """A ledger with versions of model m, and no service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = self.load()
        self.ledger: Ledger = new_ledger(folder / "state")
        with self.ledger.begin() as conn:
            models.ensure(conn, "m")

    def load(self, more: str = "") -> Config:
        """Its configuration."""
        (self.folder / "config.toml").write_text(CONFIG.format(more=more))
        return load_config(self.folder / "config.toml")

    def version(self, number: int) -> str:
        """One more version, which is promoted."""
        name = f"v{number:04}-{number:08x}"
        with self.ledger.begin() as conn:
            conn.execute(version_table.insert().values(
                model="m", name=name, number=number, digest=f"{number:064x}", created_at=1000.0 + number,
                metrics={"metric": "accuracy", "challenger": {"value": 0.9, "se": None}, "rows": 40},
            ))  # fmt: skip
            promotions.record(conn, "m", deployments.for_version(conn, "m", name, 1.0), "retrain", "better", 1.0)
        return name

    def key(self) -> str | None:
        """Of what is wanted now."""
        with self.ledger.connect() as conn:
            return wanted_key(conn, self.config, "m")

    def standing(self) -> dict[str, Any]:
        """How the mirror stands."""
        with self.ledger.connect() as conn:
            found = mirror_standing(conn, self.config)
        assert found is not None
        return found


@pytest.fixture
def kept(tmp_path):
    """The ledger, which is closed afterwards."""
    made = Kept(tmp_path)
    yield made
    made.ledger.close()


def test_what_is_wanted_has_another_key_whenever_the_ledger_is_other(kept):
    """A version, a promotion, a roll-back, a retirement or another place: and the same while nothing is other."""
    assert kept.key() is None
    first = kept.version(1)
    keys = [kept.key(), kept.key()]
    assert keys[0] == keys[1]
    kept.version(2)
    keys.append(kept.key())
    with kept.ledger.begin() as conn:
        promotions.record(conn, "m", deployments.for_version(conn, "m", first, 2.0), "rollback", "worse", 2.0)
    keys.append(kept.key())
    with kept.ledger.begin() as conn:
        versions.mark_removed(conn, "m", "v0002-00000002")
    keys.append(kept.key())
    kept.config = kept.load('name = "driftd-{model}"')
    keys.append(kept.key())
    assert len(set(keys)) == len(keys) - 1
    with kept.ledger.connect() as conn:
        wanted = wanted_model(conn, kept.config.paths.model("m"))
    assert wanted.champion == first and wanted.challenger is None
    assert [(one.name, one.tags["driftd.state"], one.folder is None) for one in wanted.versions] == [
        ("v0001-00000001", "stored", False), ("v0002-00000002", "removed", True),
    ]  # fmt: skip
    assert wanted.versions[0].metrics == {"accuracy": 0.9, "rows": 40.0, "train_rows": 0.0}


def test_what_counts_is_only_what_is_wanted_now(kept):
    """What arrived before does not, once something else was wanted since, also where it is wanted again."""
    with kept.ledger.begin() as conn:
        outbox.want(conn, MLFLOW, "m", "one", 1.0)
        outbox.deliver_key(conn, "one", 2.0)
        assert outbox.delivered(conn, MLFLOW, ["one"]) == {"one"}
        outbox.want(conn, MLFLOW, "m", "two", 3.0)
        assert outbox.delivered(conn, MLFLOW, ["one", "two"]) == set()
        assert outbox.pending(conn, MLFLOW, ["one", "two"]) == {"two"}
        outbox.want(conn, MLFLOW, "m", "one", 4.0)
        assert outbox.pending(conn, MLFLOW, ["one", "two"]) == {"one"}
        assert outbox.standing(conn, MLFLOW)["waiting"] == 1


def test_where_it_cannot_be_done_it_waits_and_is_told_once(kept, monkeypatch):
    """Without its client, or with a file of credentials that cannot be read: nothing is lost, and each look that is due
    tries again."""
    monkeypatch.setattr(module, "pause_s", lambda attempts: 0.0)
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    kept.config = kept.load('credentials_file = "none"')
    kept.version(1)
    mirroring = Mirroring(lambda: kept.config, kept.ledger, None, lambda: False, {})

    def attempts() -> int:
        with kept.ledger.connect() as conn:
            return sum(row.attempts for row in waiting_messages(conn))

    async def play() -> None:
        task = asyncio.create_task(mirroring.run())
        await until(lambda: attempts() > 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with capture_logs() as logged:
        asyncio.run(play())
    (told,) = [one for one in logged if one["event"] == "mlflow_failed"]
    assert told["about"] == "m" and "cannot be read" in told["reason"]
    assert kept.standing()["behind"] == ["m"] and kept.standing()["since"] is not None


def test_without_the_section_nothing_waits_any_more(kept):
    """Until then the sender of notifications does not give up what is not his."""
    kept.version(1)
    with kept.ledger.begin() as conn:
        outbox.want(conn, MLFLOW, "m", "one", 1.0)

    def waiting() -> int:
        with kept.ledger.connect() as conn:
            return len(waiting_messages(conn))

    async def play() -> None:
        notifying = Notifying(lambda: kept.config, kept.ledger, PendingWrites(kept.ledger), {}, lambda: False)
        mirroring = Mirroring(lambda: kept.config, kept.ledger, None, lambda: False, {})
        tasks = [asyncio.create_task(notifying.run())]
        await until(lambda: notifying._known is not None)
        assert waiting() == 1
        kept.config = replace(kept.config, mlflow=None)
        tasks.append(asyncio.create_task(mirroring.run()))
        await until(lambda: waiting() == 0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with capture_logs() as logged:
        asyncio.run(play())
    assert logged == []
    with kept.ledger.connect() as conn:
        assert mirror_standing(conn, kept.config) is None


def test_a_model_that_is_gone_from_the_configuration_waits_no_more(kept, monkeypatch):
    """While another one is still behind, over a reload."""
    monkeypatch.setattr(module, "pause_s", lambda attempts: 0.0)
    kept.config = kept.load('credentials_file = "none"')
    kept.version(1)
    with kept.ledger.begin() as conn:
        outbox.want(conn, MLFLOW, "other", "other-key", 1.0)
        outbox.want(conn, MLFLOW, "m", "old-key", 1.0)

    async def play() -> None:
        await Mirroring(lambda: kept.config, kept.ledger, None, lambda: False, {})._look()

    with capture_logs():
        asyncio.run(play())
    with kept.ledger.connect() as conn:
        assert [row.about for row in waiting_messages(conn)] == ["m"]


def test_that_it_recovered_is_told_after_a_restart_where_nothing_was_to_be_done(kept, monkeypatch):
    """What failed before is in the ledger, so that the status does not say for ever that it fails."""
    kept.version(1)
    with kept.ledger.begin() as conn:
        events.append(conn, [{
            "event": "mlflow_failed", "level": "warning", "at": 1.0, "model": None,
            "fields": {"about": "m", "reason": "the server cannot be reached"},
        }])  # fmt: skip
    assert kept.standing()["failing"] is not None

    async def does_it(self: Mirroring, *_: object) -> bool:
        self._recovered("m")
        return True

    monkeypatch.setattr(Mirroring, "_mirror", does_it)
    with capture_logs() as logged:
        asyncio.run(Mirroring(lambda: kept.config, kept.ledger, None, lambda: False, {})._look())
    assert [one["event"] for one in logged] == ["mlflow_recovered"]


def test_numbers_that_are_none_are_left_out():
    """Neither NaN nor a missing metric goes to MLflow, nor a name that it does not take."""
    metrics = {"metric": "a.py:cost", "challenger": {"value": float("nan")}, "champion": {"value": 1}, "rows": None}
    assert numbers(metrics, 3) == {"a.py_cost champion": 1.0, "train_rows": 3.0}
