"""After an upgrade of scikit-learn, or a changed configuration, a real daemon explains itself and finds its way."""

import json
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from daemon_harness import FAST, Daemon, drop, rows

QUIET = FAST.replace("on_drift = true\non_performance = true\n", "growth = 1e9\nregret = false\n")


def age(state: Path, version: str) -> None:
    """Rewrite a stored version as one of an older scikit-learn; the manifest is not among the hashes."""
    path = state / "versions" / "m" / version / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["environment"]["scikit-learn"] = "1.2.3"
    path.write_text(json.dumps(manifest))


def test_a_champion_of_another_scikit_learn_is_made_anew(make_serving: Callable[[str], Daemon]) -> None:
    """It is told, a cycle opens by itself from the stored snapshots, and the new version is served."""
    daemon = make_serving(QUIET)
    before = daemon.wait("model_swapped")["version"]
    daemon.stop()
    age(daemon.folder / "state", before)
    assert "1.2.3" in daemon.json("status")["models"]["m"]["unloadable"]
    assert "TROUBLE" in daemon.cli("status").stdout
    since = len(daemon.events)
    daemon.start()
    assert "1.2.3" in daemon.wait("champion_unloadable", since=since)["reason"]
    opened = daemon.wait("cycle_opened", since=since)
    assert opened["trigger"] == "environment" and "made anew from its stored rows" in opened["reason"]
    after = daemon.wait("model_swapped", since=since)["version"]
    assert after != before and daemon.predict().json()["version"] == after
    assert "the champion cannot be compared" in daemon.cli("explain", str(opened["cycle_id"])).stdout
    assert daemon.json("status")["models"]["m"]["unloadable"] is None
    drop(rows(2), daemon.data / "b.csv")
    daemon.wait("check_finished", since=since)
    daemon.wait("labels_assessed", since=since)
    assert len(list(daemon.seen("cycle_opened", since=since))) == 1


def test_servers_that_are_newer_than_the_service_serve_what_it_left(make_serving: Callable[[str], Daemon]) -> None:
    """`driftd serve` beside a ledger of an older driftd, which it does not migrate: it says so, and is ready."""
    daemon = make_serving(QUIET)
    version = daemon.wait("model_swapped")["version"]
    daemon.stop()
    with sqlite3.connect(daemon.folder / "state" / "ledger.sqlite") as ledger:
        ledger.execute("DROP TABLE leases")
        ledger.execute("UPDATE alembic_version SET version_num = '0023'")
    ledger.close()
    since = len(daemon.events)
    daemon.start(command="serve")
    assert "has the older schema 0023" in daemon.wait("ledger_awaited", since=since)["reason"]
    assert daemon.predict().json()["version"] == version
    assert daemon.stop() == 0
    daemon.start()
    assert daemon.predict().json()["version"] == version and daemon.stop() == 0


def reconfigured(daemon: Daemon, *changes: tuple[str, str]) -> int:
    """Stop, change the configuration, start; the number of events before."""
    daemon.stop()
    text = daemon.config.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    daemon.config.write_text(text)
    since = len(daemon.events)
    daemon.start()
    return since


def with_more(seed: int) -> pa.Table:
    """Rows with a further column, one column's kind another, and one less."""
    table = rows(seed)
    grades = pa.array(["low" if x < 0 else "high" for x in table["x"].to_pylist()])
    return table.set_column(0, "x", grades).append_column("w", table["z"]).drop_columns(["z"])


def test_columns_added_removed_and_of_another_kind(make_serving: Callable[[str], Daemon]) -> None:
    """The champion goes on and is compared; the new schema reads new files and gets a model once there are enough."""
    daemon = make_serving(QUIET)
    since = reconfigured(daemon, ('x = "number"', 'x = "category"'), ('z = "number"', 'w = "number"'))
    told = daemon.wait("schema_changed", since=since)
    assert told["changes"] == ["z was removed", "x was number and is category", "w was added (number)"]
    assert "x was number and is category" in daemon.cli("status").stdout
    assert daemon.predict().status_code == 200
    drop(with_more(2).slice(0, 100), daemon.data / "b.csv")
    daemon.wait("check_finished", since=since)
    drop(with_more(3), daemon.data / "c.csv")
    opened = daemon.wait("cycle_opened", since=since)
    assert opened["trigger"] == "schema" and "w was added" in opened["reason"]
    daemon.wait("cycle_finished", since=since)
    bad = {"part_failed", "stage_failed", "check_failed", "assessment_failed", "suspicion_failed", "service_failed"}
    assert [e for e in daemon.events[since:] if e["event"] in bad] == []
    story = daemon.cli("explain", str(opened["cycle_id"])).stdout
    assert "champion v0001" in story and "of another kind" in story


def test_a_reload_that_asks_another_question_is_explained(make_daemon: Callable[..., Daemon]) -> None:
    """Another task alone, with the metric of the old one, is refused with both named; with all that belongs to it, it is
    applied and told, and the champion answers as before."""
    daemon = make_daemon(QUIET, columns=False).start()
    drop(rows(1), daemon.data / "a.csv")
    daemon.wait("model_swapped")
    since = len(daemon.events)
    text = daemon.config.read_text().replace('task = "classification"', 'task = "regression"')
    daemon.config.write_text(text)
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    refused = daemon.wait("config_refused", since=since)["reason"]
    assert "metric is 'accuracy'; a regression has auto, mae" in refused
    daemon.config.write_text(text.replace('"accuracy"', '"mae"').replace('target = "label"', 'target = "x"'))
    daemon.process.send_signal(signal.SIGHUP)
    told = daemon.wait("schema_changed", since=since)
    assert told["changes"] == ["task was classification and is regression", "target was label and is x"]
    assert "answers its old question" in told["then"]
    assert "task was classification and is regression" in daemon.cli("status").stdout
    drop(rows(2, 100), daemon.data / "b.csv")
    daemon.wait("file_accepted", since=since, file="b.csv")
    assert daemon.predict().json()["predictions"][0] in ("yes", "no")
    bad = {"part_failed", "stage_failed", "check_failed", "assessment_failed", "suspicion_failed", "service_failed"}
    assert [e for e in daemon.events[since:] if e["event"] in bad] == []


@pytest.mark.long
def test_another_question(make_daemon: Callable[..., Daemon]) -> None:
    """The champion answers the old question until a model of the new one is there, which only new files teach; a schema that was
    inferred is inferred anew."""
    daemon = make_daemon(QUIET, columns=False).start()
    drop(rows(1), daemon.data / "a.csv")
    daemon.wait("model_swapped")
    since = reconfigured(
        daemon,
        ('task = "classification"', 'task = "regression"'),
        ('target = "label"', 'target = "x"'),
        ('"accuracy"', '"mae"'),
    )
    told = daemon.wait("schema_changed", since=since)
    assert any(change.startswith("target was label") for change in told["changes"]) and "not compared" in told["then"]
    assert daemon.predict().json()["predictions"][0] in ("yes", "no")
    drop(rows(2, 100), daemon.data / "b.csv")
    daemon.wait("file_accepted", since=since)
    drop(rows(3), daemon.data / "c.csv")
    assert daemon.wait("cycle_opened", since=since)["trigger"] == "schema"
    finished = daemon.wait("cycle_finished", since=since)
    assert finished["outcome"] == "promoted"
    daemon.wait("model_swapped", since=since, version=f"{daemon.json('versions', 'm')[-1]['version']}")
    later = len(daemon.events)
    drop(rows(4, 100), daemon.data / "d.csv")
    daemon.wait("labels_assessed", since=later)
    bad = {"part_failed", "stage_failed", "check_failed", "assessment_failed", "service_failed"}
    assert [e for e in daemon.events[since:] if e["event"] in bad] == []
    prepared = daemon.json("explain", str(finished["cycle_id"]))["prepare"]
    assert prepared["train_rows"] + prepared["holdout_rows"] <= 700


@pytest.mark.long
def test_a_damaged_champion_is_stood_in_for_and_made_anew(make_serving: Callable[[str], Daemon]) -> None:
    """Bytes that changed on the disk: after a restart what was served before answers, the damage is told, and a cycle
    makes the champion anew from the stored rows."""
    daemon = make_serving(QUIET)
    first = daemon.wait("model_swapped")["version"]
    drop(rows(2), daemon.data / "b.csv")
    daemon.wait("file_accepted", file="b.csv")
    assert daemon.cli("retrain", "m").returncode == 0
    daemon.wait("cycle_finished", outcome="promoted", cycle_id=2)
    second = daemon.json("status")["models"]["m"]["champion"]["newest"]
    assert second != first
    daemon.stop()
    served = daemon.json("status")["models"]["m"]["champion"]["version"]
    model = daemon.folder / "state/versions/m" / second / "model.skops"
    damaged = bytearray(model.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    model.write_bytes(damaged)
    assert "differs from what was published" in daemon.json("status")["models"]["m"]["unloadable"]
    since = len(daemon.events)
    daemon.start()
    stood = daemon.wait("stand_in_served", since=since)
    assert (stood["version"], stood["champion"]) == (first, served)
    assert daemon.wait("cycle_opened", since=since)["trigger"] == "environment"
    assert list(daemon.seen("champion_unloadable", since=since))
    assert daemon.predict().status_code == 200
    third = daemon.wait("model_swapped", since=since)["version"]
    assert third not in (first, second) and daemon.predict().json()["version"] == third
