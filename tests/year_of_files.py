"""A ledger as years of files leave it, filled by a few statements in a simulated clock; for tests and for `make year`."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledgers import new_ledger
from sqlalchemy import Connection, event, insert

from daemon.config.config import Config, load_config
from daemon.ledger import Ledger, cycles, deployments, models, promotions, tables
from daemon.ledger.prediction_log import LEAST_BYTES
from retrain.records.outcome import Outcome
from retrain.records.trigger import Trigger

CONFIG = """\
[models.m]
data_dir = "data"
task = "classification"
target = "y"
[models.m.columns]
x = "number"
y = "category"
"""
MINUTE, START = 60.0, 1_600_000_000.0
MOST_TAUGHT = 40_000
"""Files that teach a version: two million rows of fifty each."""
COLUMN = {"kind": "numeric", "drift": False, "effect": 0.01, "tests": {"ks": {"statistic": 0.01, "p_value": 0.5}}}
COLUMN |= {"missing": {"reference": 0.0, "current": 0.0}, "sentence": "nothing beyond chance in this column"}
COUNTED = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :files)"
FILES = f"""{COUNTED}
INSERT INTO files (model, path, seq, state, sha256, size, mtime_ns, ctime_ns, inode, kind, source, snapshot,
    rows, labelled_rows, class_rows, rejected, reason, quality, at, schema_digest)
SELECT 'm', 'day' || (i / 1440) || '/' || i || '.csv', i, CASE WHEN i % 500 = 0 THEN 'held' ELSE 'accepted' END,
    printf('%064d', i), 1000, i, i, i, 'rows', 'folder', printf('snapshots/m/%032d.parquet', i),
    50, CASE WHEN i % 2 = 0 THEN 50 ELSE 0 END, '{{"no": 25, "yes": 25}}', i % 3 = 0, '', :quality,
    :start + 60.0 * i, 'd' FROM n
"""
CHECKS = f"""{COUNTED}
INSERT INTO checks (model, kind, file_id, deployment, version, started_at, seconds, drift, drifted, dropped, report,
    performance, estimated, stream, predictions)
SELECT 'm', 'file', i, 1 + i / :share, printf('v%04d-aaaaaaaa', 1 + i / :share), :start + 60.0 * i, 0.1, 0, '[]', 0,
    CASE WHEN i > :files - :whole THEN :report ELSE :spent END, :performance, 'null', 'null',
    printf('predictions/m/%032d.parquet', i) FROM n
"""
ASSESSMENTS = f"""{COUNTED}
INSERT INTO assessments (model, kind, seq, deployment, found, at)
SELECT 'm', 'file', i, 1, :found, :start + 60.0 * i FROM n WHERE i % 2 = 0
"""
REJECTS = f"""{COUNTED}
INSERT INTO rejects (file_id, line, "column", reason, raw) SELECT i, 2, 'x', 'no number', 'abc' FROM n WHERE i % 3 = 0
"""
EVENTS = f"""{COUNTED}
INSERT INTO events (at, event, level, model, fields) SELECT :start + 60.0 * i, 'file_accepted', 'info', 'm', '{{}}' FROM n
"""
DUE = f"""{COUNTED}
INSERT INTO due (model, kind, due_at, done_at) SELECT 'm', 'check', 900.0 * i, 900.0 * i + 1 FROM n
"""


def build(folder: Path, files: int, versions: int = 200) -> tuple[Config, Ledger, float]:
    """A state folder whose ledger has so many files, a minute apart, each checked and every other assessed, and some
    versions; and the moment of the last file."""
    (folder / "config.toml").write_text(CONFIG)
    config = load_config(folder / "config.toml")
    ledger = new_ledger(config.state_dir)
    report = {"columns": [COLUMN | {"name": f"column {k}"} for k in range(10)], "drift": False}
    found = {
        "seq": 1, "rows": 50, "newest": "v0001-aaaaaaaa", "metric": "accuracy", "score": 0.5, "loss": 0.5, "twins": {},
        "pairs": {}, "gains": {}, "fresh": {}, "rival": None,
    }  # fmt: skip
    told = {
        "files": files, "start": START, "share": max(1, files // versions), "whole": files // 4,
        "report": json.dumps(report), "spent": '{"columns": [], "drift": false}', "found": json.dumps(found),
        "performance": '{"metric": "accuracy", "value": 0.75, "dropped": false}', "quality": '{"columns": {}}',
    }  # fmt: skip
    with ledger.begin() as conn:
        models.ensure(conn, "m")
        _versions(conn, versions, files)
        for statement in (FILES, CHECKS, ASSESSMENTS, REJECTS):
            conn.exec_driver_sql(statement, {k: v for k, v in told.items() if f":{k}" in statement})
        most = {"files": min(files, 200_000), "start": START}
        conn.exec_driver_sql(EVENTS, most)
        conn.exec_driver_sql(DUE, {"files": files // 15})
        _prediction_log(conn)
    with ledger.connect() as conn:
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return config, ledger, START + MINUTE * files


def _versions(conn: Connection, count: int, files: int) -> None:
    """Each made by a cycle of its own and promoted; the last one saw all but the newest files."""
    for number in range(1, count + 1):
        name, at = f"v{number:04d}-aaaaaaaa", START + number * MINUTE * files / count
        seen = int(number * files / count) - 100
        cycle = cycles.open_cycle(conn, "m", Trigger("regret", "it would have paid"), number, max(1, seen), at)
        stage = cycles.stage_started(conn, cycle, at)
        taught = range(max(0, seen - MOST_TAUGHT), seen) if number > count - 10 else ()
        prepared = {
            "rows": 3, "snapshots": [f"{file:032d}" for file in taught], "window": "the newest rows", "notes": [],
            "held_out": "", "known_rows": 10,
        }  # fmt: skip
        cycles.stage_finished(conn, stage, Outcome("ok", prepared), at)
        conn.execute(
            tables.cycles.update().where(tables.cycles.c.id == cycle.id).values(state="promoted", version=name)
        )
        row = {"model": "m", "name": name, "number": number, "digest": name, "cycle_id": cycle.id, "created_at": at}
        row |= {
            "metrics": {"known_rows": 10},
            "seen_seq": seen,
            "state": "stored" if number > count - 10 else "removed",
        }
        conn.execute(insert(tables.versions).values(**row))
        promotions.record(conn, "m", deployments.for_version(conn, "m", name, at), "promote", "r", at, cycle.id)
        told = {"metric": "accuracy", "value": 0.75}
        conn.execute(insert(tables.newest_performance).values(model="m", version=name, labelled=told))


def _prediction_log(conn: Connection) -> None:
    """As many files as its default bound lets be."""
    rows = [
        {"model": "m", "path": f"p{i}", "digest": str(i), "segments": [], "rows": 9, "answers": 9, "bytes": 9,
         "first_time": float(i), "last_time": float(i), "data_file": f"d{i}", "taken_at": 1.0, "at": 1.0}
        for i in range(10**9 // LEAST_BYTES)
    ]  # fmt: skip
    conn.execute(insert(tables.prediction_log), rows)


def milliseconds(work: Callable[[], Any], times: int = 3, clock: Callable[[], float] = time.perf_counter) -> float:
    """The best of some runs."""
    best = float("inf")
    for _ in range(times):
        started = clock()
        work()
        best = min(best, clock() - started)
    return best * 1000


class Plans:
    """Notes the plan of every query while it is entered; `scans` are those that read a long table whole, or all that it
    has of a model, unless they read from one end only as far as they are told."""

    LONG = ("files", "checks", "assessments", "events", "rejects", "due")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.scans: list[str] = []

    def __enter__(self) -> "Plans":
        event.listen(self._ledger.engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._ledger.engine, "before_cursor_execute", self._note)

    def _note(self, _conn: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE")):
            return
        plan = cursor.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        for row in plan:
            detail, limited = row[3], " LIMIT " in " ".join(statement.split())
            whole = detail.startswith("SCAN") or detail.endswith(" (model=?)")
            if whole and detail.split()[1] in self.LONG and not (limited and "ORDER BY" in statement):
                self.scans.append(f"{detail}: {statement}")
