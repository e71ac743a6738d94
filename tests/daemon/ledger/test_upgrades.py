"""Ledgers of every released schema become today's: rows stay, queries work, and a killed migration is none."""

import itertools
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event

from daemon.config.paths import LEDGER
from daemon.ledger import (
    assessments,
    checks,
    commands,
    cycles,
    due,
    engine,
    events,
    files,
    models,
    observe,
    open_ledger,
    prediction_log,
    promotions,
    totals,
    trials,
    versions,
)
from daemon.ledger.backends import sqlite
from daemon.ledger.migrate import upgrade
from retrain.records.planner_state import PlannerState

REVISIONS = sorted(path.name[:4] for path in Path(engine.__file__).parent.glob("migrations/versions/[0-9]*.py"))
PLANNER = '{"version": 1, "handled_check": 1, "seen_seq": 1, "last_opened_at": 5.0, "next_number": 2}'
REPORT = '{"columns": [{"name": "x", "drift": true, "effect": 0.5}], "drift": true}'
FOUND = (
    '{"seq": 2, "rows": 9, "newest": "v0001-aaaaaaaa", "metric": "accuracy", "score": 0.5, "loss": 0.5, "twins": {}, '
    '"pairs": {}, "gains": {}, "fresh": {}, "rival": null}'
)
LOOK = {"size": 9, "mtime_ns": 1, "ctime_ns": 1, "inode": 1}
FILE = {"model": "m", "kind": "rows", "rows": 9, "labelled_rows": 8, "class_rows": '{"a": 8}', "rejected": 1} | LOOK
FILE |= {"reason": "", "quality": "{}", "at": 2.0}
USED = {"seq": 1, "state": "accepted", "sha256": "s1", "snapshot": "snapshots/m/a.parquet", "snapshot_digest": "a"}
CHECK = {
    "model": "m", "deployment": 1, "version": "v0001-aaaaaaaa", "started_at": 5.0, "seconds": 0.1, "drift": True,
    "drifted": '["x"]', "dropped": False, "report": REPORT,
}  # fmt: skip
ROWS: list[tuple[str, dict[str, Any]]] = [
    ("models", {"name": "m", "schema": "null", "planner": PLANNER, "waits_for": "rows", "paused": False}),
    ("files", FILE | USED | {"id": 1, "path": "a.csv"}),
    ("files", FILE | {"id": 2, "path": "b.csv", "seq": 2, "state": "held", "sha256": "s2", "reason": "odd"}),
    ("files", FILE | {"id": 3, "path": "c.csv", "state": "duplicate", "sha256": "s1", "duplicate_of": 1, "rows": 0}),
    ("rejects", {"id": 1, "file_id": 1, "line": 2, "column": "x", "reason": "bad", "raw": None}),
    ("cycles", {
        "id": 1, "model": "m", "trigger": '{"kind": "drift", "reason": "why", "evidence": {}}', "state": "promoted",
        "stage": "promote", "attempt": 0, "number": 1, "up_to_seq": 1, "opened_at": 3.0, "not_before": 0.0,
        "reason": "better", "version": "v0001-aaaaaaaa",
    }),
    ("cycles", {
        "id": 2, "model": "m", "trigger": '{"kind": "drift", "reason": "why", "evidence": {}}', "state": "open",
        "stage": "train", "attempt": 1, "number": 2, "up_to_seq": 2, "opened_at": 4.0, "not_before": 0.0, "reason": "",
    }),
    ("stages", {"id": 1, "cycle_id": 1, "stage": "evaluate", "attempt": 0, "state": "ok", "started_at": 3.0,
                "result": '{"difference": null, "difference_se": null}', "reason": ""}),
    ("versions", {"model": "m", "name": "v0001-aaaaaaaa", "number": 1, "digest": "aa", "cycle_id": 1, "created_at": 3.5,
                  "train_rows": 8, "seen_seq": 1, "metrics": "{}", "state": "stored", "pinned": False}),
    ("deployments", {"id": 1, "model": "m", "number": 1, "digest": "d",
                     "members": '[{"version": "v0001-aaaaaaaa", "weight": 1.0}]', "created_at": 3.5}),
    ("promotions", {"id": 1, "model": "m", "deployment_id": 1, "kind": "promote", "cycle_id": 1, "reason": "r",
                    "at": 3.6}),
    ("episodes", {"id": 1, "model": "m", "opened_at": 5.0, "columns": '["x"]', "checks": 1}),
    ("checks", CHECK | {"id": 1, "kind": "file", "file_id": 1, "episode_id": 1,
                        "performance": '{"metric": "accuracy", "value": 0.75, "dropped": false}'}),
    ("checks", CHECK | {"id": 2, "kind": "schedule", "performance": "null", "estimated": '{"value": 0.5}'}),
    ("newest_performance", {"model": "m", "version": "v0001-aaaaaaaa", "labelled": '{"value": 0.75}'}),
    ("events", {"id": 1, "at": 5.0, "event": "check_finished", "level": "info", "model": "m", "fields": "{}"}),
    ("commands", {"id": 1, "at": 6.0, "user": "u", "name": "pause", "args": '{"model": "m"}', "state": "queued",
                  "message": ""}),
    ("due", {"id": 1, "model": "m", "kind": "check", "due_at": 60.0}),
    ("error_streams", {"model": "m", "deployment": 1, "state": "{}"}),
    ("assessments", {"id": 1, "model": "m", "kind": "file", "seq": 2, "deployment": 1, "found": FOUND, "at": 7.0}),
    ("prediction_log", {"id": 1, "model": "m", "path": "prediction_log/m/a.parquet", "digest": "p", "segments": "[]",
                        "rows": 5, "answers": 5, "bytes": 10, "first_time": 1.0, "last_time": 2.0, "at": 8.0}),
    ("trials", {"id": 1, "model": "m", "cycle_id": 1, "deployment_id": 1, "version": "v0001-aaaaaaaa",
                "strategy": "shadow", "share": 1.0, "since": 1.0, "until": 2.0, "latest": 3.0, "min_rows": 1,
                "max_failures": 0, "rows": 3, "failures": 0, "compared": 3, "differed": 0.0, "skipped": 0,
                "champion_s": 1.0, "challenger_s": 1.0, "error": "", "outcome": "promoted", "reason": "r"}),
]  # fmt: skip


def ledger_of(folder: Path, revision: str) -> dict[str, int]:
    """Make the ledger that a driftd of that schema left, with a row of every kind; the rows by table."""
    path = folder / LEDGER
    made = create_engine(f"sqlite:///{path}")
    event.listen(made, "connect", sqlite._prepare)
    upgrade(made, revision)
    made.dispose()
    with closing(sqlite3.connect(path)) as raw:
        tables = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, values in ROWS:
            if table in tables:
                columns = {row[1] for row in raw.execute(f"PRAGMA table_info({table})")}
                kept = {name: value for name, value in values.items() if name in columns}
                names = ", ".join(f'"{name}"' for name in kept)
                raw.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(kept))})", list(kept.values()))
        raw.commit()
        derived = {"alembic_version", "file_totals", "class_totals", "newest_performance"}
        return {name: raw.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables - derived}


def schema_of(path: Path) -> set[str]:
    """All that a ledger is made of, as SQL without spaces, but for the order of columns."""
    with closing(sqlite3.connect(path)) as raw:
        names = {row[0] for row in raw.execute("SELECT type || name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")}
        tables = [row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {f"{t}.{row[1]} {row[2]}" for t in tables for row in raw.execute(f"PRAGMA table_info({t})")}
    return names | columns


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_ledger_of_each_schema_becomes_todays(revision, tmp_path):
    """All rows are there, and what the service asks is answered from them."""
    before = ledger_of(tmp_path, revision)
    ledger = open_ledger(tmp_path)
    with ledger.connect() as conn:
        after = {name: conn.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar() for name in before}
        assert after == before
        seen = observe.observe(conn, "m", 0, models.load_planner(conn, "m"))
        assert (seen.labelled_rows, seen.newest_seq, seen.open_cycle.id, seen.champion.deployment_name) == (
            8, 2, 2, "v0001-aaaaaaaa",
        )  # fmt: skip
        assert [e.check for e in observe.observe(conn, "m", 0, PlannerState()).evidence] == [1, 2]
        assert totals.by_model(conn)[0]["m"] == {"accepted": 1, "held": 1, "duplicate": 1}
        assert [row.seq for row in files.usable(conn, "m", 9)] == [1]
        assert files.newest_usable(conn, "m", 5)[0].source == "folder"
        assert files.by_content(conn, "m", "s1").path == "a.csv" and set(files.known(conn, "m")) == {
            "a.csv", "b.csv", "c.csv",
        }  # fmt: skip
        assert len(files.rejects_of(conn, 1)) == 1 and files.recent(conn, "m", 10.0)[0].path == "a.csv"
        assert checks.latest_performances(conn, "m")["v0001-aaaaaaaa"]["labelled"]["value"] == 0.75
        assert checks.open_episode(conn, "m") == 1 and checks.latest(conn, "m").id == 2
        assert checks.unchecked(conn, "m", 1, 0, 5) == [] and len(checks.unchecked(conn, "m", 2, 0, 5)) == 1
        assert cycles.results(conn, 1)["evaluate"]["difference"] is None
        assert promotions.champion(conn, "m").era == 1 and len(versions.stored(conn, "m")) == 1
        assert [c.name for c in commands.queued(conn)] == ["pause"] and due.pending(conn, "m", "check") == (1,)
        assert len(events.listed(conn, "m", 5)) == 1
        assert len(assessments.newer_than(conn, "m", 0)) == int(revision >= "0003")
        assert prediction_log.total(conn, "m")["rows"] == (5 if revision >= "0004" else 0)
        assert len(trials.by_version(conn, "m")) == int(revision >= "0005")
    ledger.close()
    (tmp_path / "new").mkdir()
    open_ledger(tmp_path / "new").close()
    assert schema_of(tmp_path / LEDGER) == schema_of(tmp_path / "new" / LEDGER)


def migrate(folder: Path, before_statement: Callable[[int], object]) -> int:
    """Migrate in a child process, which says before each statement which one it is; its status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    numbers = itertools.count(1)
    try:
        opened = create_engine(f"sqlite:///{folder / LEDGER}")
        event.listen(opened, "connect", sqlite._prepare)
        event.listen(opened, "before_cursor_execute", lambda *_: before_statement(next(numbers)))
        upgrade(opened)
        os._exit(0)
    finally:
        os._exit(1)


def killed_at(statement: int) -> Callable[[int], object]:
    """Before which the process dies."""
    return lambda number: os.kill(os.getpid(), signal.SIGKILL) if number == statement else None


def test_a_killed_migration_leaves_the_old_ledger(tmp_path):
    """Killed before any of its statements it is whole and old, and the next start migrates it: all is one
    transaction. Its files are copied before each statement, as a kill leaves them; at a few there is one."""
    before = ledger_of(tmp_path, REVISIONS[0])
    old = schema_of(tmp_path / LEDGER)
    (other := tmp_path / "other").mkdir()
    ledger_of(other, REVISIONS[0])

    def copied(number: int) -> None:
        (left := tmp_path / f"left{number}").mkdir()
        for file in other.glob(f"{LEDGER}*"):
            shutil.copy(file, left)

    assert migrate(other, copied) == 0 and schema_of(other / LEDGER) != old
    moments = list(tmp_path.glob("left*"))
    assert len(moments) > 30
    for left in moments:
        assert schema_of(left / LEDGER) == old
    for statement in (1, len(moments) // 2, len(moments)):
        assert migrate(tmp_path, killed_at(statement)) == signal.SIGKILL
        assert schema_of(tmp_path / LEDGER) == old
    assert migrate(tmp_path, killed_at(0)) == 0
    with closing(sqlite3.connect(tmp_path / LEDGER)) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == (engine.HEAD,)
        assert raw.execute("SELECT count(*) FROM files").fetchone()[0] == before["files"]
    open_ledger(tmp_path).close()


def test_later_migrations_are_for_both_databases():
    """A ledger in PostgreSQL began with the schema of 0022: what comes after it runs there, too, and an index of some rows
    that lost its condition would let a model have one cycle in its life."""
    for path in Path(engine.__file__).parent.glob("migrations/versions/[0-9]*.py"):
        text = path.read_text("utf-8")
        if path.name[:4] > "0022":
            assert text.count("sqlite_where=") == text.count("postgresql_where="), path.name
            assert not any(word in text for word in ("json_extract", "json_each", "PRAGMA", "rowid")), path.name
