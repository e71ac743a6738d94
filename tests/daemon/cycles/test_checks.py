"""What the ledger keeps of a check and what the commands tell of it: measured, estimated, and marked as such."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bare_model import bare_model
from ledgers import new_ledger
from sqlalchemy import create_engine

from daemon.config.config import load_config
from daemon.config.paths import LEDGER
from daemon.cycles.checks import AnalystCheck, record_check
from daemon.cycles.scoring import log_scores
from daemon.ledger import (
    Ledger,
    checks,
    cycles,
    deployments,
    engine,
    files,
    models,
    observe,
    promotions,
)
from daemon.ledger.migrate import upgrade
from daemon.reading.look import Look
from daemon.reports.explain import describe, story
from daemon.reports.status import overview
from retrain.operations import CheckResult
from retrain.records.finished_check import Rise
from retrain.records.planner_state import PlannerState
from retrain.records.trigger import Trigger

ESTIMATED = {
    "metric": "accuracy", "value": 0.8123, "interval": [0.80, 0.82], "rows": 900, "method": "CBPE", "estimate": True,
}  # fmt: skip
MEASURED = {"metric": "accuracy", "value": 0.7, "reference": 0.9, "dropped": True, "drop": 0.2, "rows": 300}


@pytest.fixture
def ledger(tmp_path: Path, ledger_url: str | None) -> Iterator[Ledger]:
    """A fresh ledger that knows model m."""
    opened = new_ledger(tmp_path / "state", ledger_url)
    with opened.begin() as conn:
        models.ensure(conn, "m")
    yield opened
    opened.close()


def found(drift: bool, untested: str | None = None) -> AnalystCheck:
    """A check of which this came out."""
    column = {"name": "x", "drift": drift, "effect": 0.3}
    report = {"columns": [column], "outputs": [], "drift": drift, "untested": untested}
    return AnalystCheck(CheckResult(report=report), 1, "v0001-aaaaaaaa", None, 1.0, 0.5)


def test_only_a_tested_file_ends_a_drift(tmp_path: Path) -> None:
    """Twelve rows cannot say that a drift is over: the check is kept as not tested, with why, and the episode goes on
    until a file that was tested shows none."""
    few = "the current data has only 12 rows; 50 are needed (drift.min_rows)"
    config = '[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n'
    with bare_model(tmp_path, config) as context, context.shared.ledger.begin() as conn:
        opened = record_check(conn, context, "file", found(True), None).opened
        assert opened is not None
        untested = record_check(conn, context, "file", found(False, few), None)
        assert untested.cleared is None and checks.open_episode(conn, "m") == opened
        row = checks.get(conn, untested.id)
        assert row is not None and row.report["untested"] == few
        assert record_check(conn, context, "file", found(False), None).cleared == opened


def result(**changes: Any) -> dict[str, Any]:
    """What the analyst says of a file."""
    return {
        "report": {"columns": [], "outputs": [], "drift": False}, "performance": None, "estimated": None,
        "stream": None,
        "stream_state": None, "predictions": None, "deployment": 1, "version": "v0001-aaaaaaaa", "started_at": 1.0, "seconds": 0.5, **changes,
    }  # fmt: skip


def record(ledger: Ledger, **changes: Any) -> int:
    """A check, committed."""
    with ledger.begin() as conn:
        return checks.record(conn, "m", "file", result(**changes), None)


@pytest.mark.file_ledger
def test_an_older_ledger_is_migrated_and_its_checks_are_kept(tmp_path: Path) -> None:
    """A ledger of schema 0001 opens as one of today; what was recorded is there, what was not known is empty."""
    path = tmp_path / LEDGER
    older = create_engine(f"sqlite:///{path}")
    upgrade(older, "0001")
    older.dispose()
    with sqlite3.connect(path) as raw:
        raw.execute(
            "INSERT INTO checks (id, model, kind, deployment, version, started_at, seconds, drift, drifted, dropped, "
            "report, performance) VALUES (7, 'm', 'file', 1, 'v', 1, 1, 0, '[]', 0, '{}', '{\"value\": 0.5}')"
        )
        raw.execute(
            "INSERT INTO files (model, path, state, seq, size, mtime_ns, ctime_ns, inode, kind, rows, labelled_rows, "
            "class_rows, rejected, reason, at) VALUES ('m', 'a', 'accepted', 1, 1, 1, 1, 1, 'rows', 5, 5, '{}', 0, '', 1)"
        )
    ledger = new_ledger(tmp_path)
    with ledger.connect() as conn:
        row = checks.get(conn, 7)
        assert row is not None and row.performance == {"value": 0.5}
        assert row.estimated is None and row.stream is None
        assert [file.source for file in files.usable(conn, "m", 1)] == ["folder"]
        assert observe.observe(conn, "m", 0, PlannerState()).evidence == ()
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == (engine.HEAD,)
    ledger.close()


def test_estimates_are_kept_with_their_check(ledger: Ledger) -> None:
    """The newest value with labels and the newest estimate of a version are told apart."""
    record(ledger, estimated=ESTIMATED)
    last = record(ledger, performance=MEASURED, estimated=ESTIMATED | {"value": None})
    record(ledger)
    with ledger.connect() as conn:
        row = checks.get(conn, last)
        assert row is not None and row.estimated["value"] is None and row.dropped
        found = checks.latest_performances(conn, "m")["v0001-aaaaaaaa"]
        assert found == {"labelled": MEASURED, "estimated": ESTIMATED}
        assert "v0002-bbbbbbbb" not in checks.latest_performances(conn, "m")


RISE = {"detector": "adwin", "row": 96, "since_row": 41, "before": 0.1, "after": 0.4, "dropped": True, "rows": 300}
SCORE = {"value": 0.8, "dropped": False, "version": "v0001-aaaaaaaa", "files": [1], "key": "k", "settled": True}


def accept(conn: Any, path: str, at: float) -> int:
    """An accepted file of rows; its id."""
    values = {"kind": "rows", "snapshot": path, "rows": 9, "labelled_rows": 0, "class_rows": {}, "rejected": 0,
              "quarantine": None, "quality": {}, "first_time": None, "last_time": None, "rejects": ()}  # fmt: skip
    return files.record_accepted(conn, "m", path, Look(1, 1, 1, 1), path, values, at).id


def test_scores_of_answers_are_kept_with_their_checks(ledger: Ledger) -> None:
    """Only the check of a file when it came is scored: what a later champion would have said was answered to nobody. A
    score replaces the one before, and the newest of a version is that of its newest file."""
    with ledger.begin() as conn:
        ids = [accept(conn, name, 5.0) for name in ("a", "b")]
        mine = [checks.record(conn, "m", "file", result(performance=MEASURED | {"settled": False}), one) for one in ids]
        checks.record(conn, "m", "file", result(deployment=2, started_at=9.0), ids[0])
        assert checks.latest_performances(conn, "m") == {}
        assert [(row.id, row.seq) for row in checks.answered(conn, "m", 10)] == [(mine[0], 1), (mine[1], 2)]
        checks.score(conn, "m", mine[1], SCORE | {"files": [2], "value": 0.7}, RISE)
        checks.score(conn, "m", mine[0], SCORE, None)
        assert checks.latest_performances(conn, "m")["v0001-aaaaaaaa"]["labelled"]["value"] == 0.7
        checks.score(conn, "m", mine[1], SCORE | {"files": [2], "value": 0.6, "dropped": True}, None)
        row = checks.get(conn, mine[1])
        assert row is not None and row.dropped and row.performance["value"] == 0.6 and row.stream == RISE
        assert [one["value"] for one in checks.scores(conn, "m", 1, 10)] == [0.8, 0.6]
        assert not checks.get(conn, mine[0]).dropped


def test_a_drop_that_late_labels_show_is_evidence(ledger: Ledger) -> None:
    """However long ago the planner was done with the check, until a cycle knew its file."""
    with ledger.begin() as conn:
        deployment = deployments.for_version(conn, "m", "v0001-aaaaaaaa", 0.0)
        promotions.record(conn, "m", deployment, "promote", "why", 0.0)
        check = checks.record(conn, "m", "file", result(), accept(conn, "a", 5.0))
        later = PlannerState(handled_check=check)
        assert observe.observe(conn, "m", 0, later).evidence == ()
        checks.score(conn, "m", check, SCORE | {"dropped": True, "drop": 0.1, "metric": "accuracy"}, None)
        (found,) = observe.observe(conn, "m", 0, later).evidence
        assert found.performance_dropped and found.drop == 0.1 and found.seq == 1
        assert observe.observe(conn, "m", 0, PlannerState(handled_check=check, seen_seq=1)).evidence == ()


def test_a_rise_of_the_errors_is_evidence_that_names_the_detector(ledger: Ledger) -> None:
    """The planner sees a drop with the detector, the row and the errors, and the story tells them."""
    with ledger.begin() as conn:
        deployment = deployments.for_version(conn, "m", "v0001-aaaaaaaa", 0.0)
        promotions.record(conn, "m", deployment, "promote", "why", 0.0)
    check = record(ledger, performance=MEASURED | {"dropped": False, "drop": 0.01}, stream=RISE)
    with ledger.connect() as conn:
        (evidence,) = observe.observe(conn, "m", 0, PlannerState()).evidence
    assert evidence.performance_dropped and evidence.drop == 0.01
    assert evidence.rise == Rise("adwin", 96, 0.1, 0.4)
    with ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("performance", "it fell", {"check": check}), 1, 1, 0.0)
    with ledger.connect() as conn:
        words = story(describe(conn, cycle.id))
    assert "adwin, watching the errors of labelled rows: at row 96 the mean error had risen from 0.1 to 0.4" in words


def test_tests_of_all_columns_together_are_told_in_sentences(ledger: Ledger, tmp_path: Path) -> None:
    """explain and status repeat them, marked as beside the verdict."""
    found = {"columns": 4, "sentences": ["a classifier tells rows apart: AUC 0.8 (p 0.003)"]}
    check = record(ledger, report={"columns": [], "outputs": [], "drift": False, "multivariate": found})
    with ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("drift", "x drifted", {"checks": [check]}), 1, 1, 0.0)
    with ledger.connect() as conn:
        words = story(describe(conn, cycle.id))
    assert "All columns together, beside the verdict: a classifier tells rows apart: AUC 0.8 (p 0.003)." in words
    (tmp_path / "config.toml").write_text('[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n')
    last = overview(load_config(tmp_path / "config.toml"), ledger)["models"]["m"]["last_check"]
    assert last["together"] == found and not last["drift"]


def test_an_estimate_is_told_as_one_wherever_performance_is(ledger: Ledger, tmp_path: Path) -> None:
    """explain and status say that it is an estimate and what it cannot see."""
    check = record(ledger, performance=MEASURED, estimated=ESTIMATED)
    with ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("performance", "it fell", {"check": check}), 1, 1, 0.0)
    with ledger.connect() as conn:
        facts = describe(conn, cycle.id)
    assert facts["evidence"][0]["estimated"] == ESTIMATED
    words = story(facts)
    assert (
        "Its labelled rows gave accuracy 0.7000; at its evaluation it was 0.9000: a drop by 0.2000, beyond chance"
        in words
    )
    assert "Estimated: accuracy about 0.8123 (95% interval: 0.8000 to 0.8200) on 900 rows without labels" in words
    assert "blind to concept drift" in words
    (tmp_path / "config.toml").write_text('[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n')
    last = overview(load_config(tmp_path / "config.toml"), ledger)["models"]["m"]["last_check"]
    assert last["value"] == 0.7 and last["estimated"] == ESTIMATED


def test_scores_of_checks_that_were_let_go_meanwhile_are_not_told(tmp_path: Path) -> None:
    """Retention may remove a check while the analyst works on its file: nothing fails then."""
    config = '[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n'
    gone = {"check": 99, "seq": 1, "stream": None, "performance": {"deployment": 1, "began": True, "version": "v1"}}
    with bare_model(tmp_path, config) as context:
        log_scores(context, SimpleNamespace(scored=(gone,)), (), era=1)
