"""One timeline has all that changed what a model serves or learns from; nothing of it is invisible elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ledgers import new_ledger
from sqlalchemy import Connection

from daemon.config.config import load_config
from daemon.ledger import (
    Ledger,
    commands,
    cycles,
    deployments,
    events,
    files,
    models,
    promotions,
    versions,
)
from daemon.reading.look import Look
from daemon.reports import explain
from daemon.reports.status import overview
from daemon.reports.timeline import BLANK, folded, heading, sentence, timeline
from retrain.planning.planner import plan
from retrain.records.action import RollBack
from retrain.records.assessment import Assessment
from retrain.records.cycle import CycleState
from retrain.records.deployment import Champion, Deployment
from retrain.records.observation import Observation
from retrain.records.planner_state import PlannerState
from retrain.records.settings import ModelSettings
from retrain.records.trigger import Trigger

FOUND = {"kind": "rows", "snapshot": "s", "rows": 300, "labelled_rows": 300, "class_rows": {}, "rejected": 0,
         "quarantine": None, "quality": {}, "first_time": None, "last_time": None, "rejects": []}  # fmt: skip
METRICS = {"metric": "accuracy", "challenger": {"value": 0.8, "se": 0.01}}


def promoted(conn: Connection, model: str, version: str, at: float) -> int:
    """A cycle that promoted a version; the cycle's id."""
    cycle = cycles.open_cycle(conn, model, Trigger("manual", "asked for by hand"), 1, 0, at)
    ended = replace(cycle, state=CycleState.PROMOTED, version=version, reason="better")
    result = {"version": version, "digest": version, "metrics": METRICS, "train_rows": 9}
    versions.record(conn, model, ended, result, at + 1)
    deployment = deployments.for_version(conn, model, version, at + 1)
    promotions.record(conn, model, deployment, "promote", "better", at + 1, cycle_id=cycle.id)
    cycles.save(conn, ended, at + 1)
    return cycle.id


def undone() -> RollBack:
    """What the planner answers after two files on which the new version was worse."""
    settings = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y"})
    champion = Champion(Deployment.of(2, "m", {"v2": 1.0}), 2, 0.0, "", "v2", 2)
    harmed = tuple(
        Assessment(seq, seq, 300, "accuracy", 0.7, 0.3, rival=(0.05 * seq, 0.09, 300), newest="v2") for seq in (1, 2)
    )
    observed = Observation(600, 0, {}, 2, champion, None, assessments=harmed)
    _, action = plan(PlannerState(), observed, 0.0, settings)
    assert isinstance(action, RollBack)
    return action


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Two promotions, a roll-back, an adjustment, files held, a command of each outcome; and another model."""
    opened = new_ledger(tmp_path / "state")
    with opened.begin() as conn:
        for model in ("m", "other"):
            models.ensure(conn, model)
        for seq in (1, 2):
            files.record_accepted(conn, "m", f"{seq}.csv", Look(seq, seq, seq, seq), f"sha{seq}", FOUND, 0.0)
        promoted(conn, "m", "v1", 10.0)
        promoted(conn, "m", "v2", 20.0)
        action, before = undone(), promotions.champion(conn, "m")
        assert before is not None and before.predecessor is not None
        evidence = list(action.evidence)
        promotions.record(conn, "m", before.predecessor, "rollback", action.reason, 30.0, evidence=evidence)
        blend = deployments.for_members(conn, "m", {"v1": 0.7, "v2": 0.3}, None, 40.0)
        promotions.record(conn, "m", blend, "reweigh", "the newest labelled rows favour it", 40.0)
        held = {"file": "2.csv", "kinds": ["unit_bug"], "reason": "x is 1000 times what it was"}
        released = {"file": "2.csv", "kinds": ["unit_bug"], "files": 3}
        names = (("file_held", held, 50.0), ("check_finished", {}, 51.0), ("file_released", released, 52.0))
        level = {"level": "info", "model": "m"}
        events.append(conn, [{"event": name, "fields": fields, "at": at} | level for name, fields, at in names])
        for name, at in (("pause", 60.0), ("resume", 70.0), ("hold", 80.0)):
            number = commands.enqueue(conn, name, {"model": "m", "file": "1.csv"}, "anna", at)
            state = {"pause": "done", "resume": "refused", "hold": "queued"}[name]
            if state != "queued":
                commands.finish(conn, number, state, f"{name} answered", at + 1)
        promoted(conn, "other", "v1", 25.0)
    yield opened
    opened.close()


def test_everything_is_in_one_order_and_says_who_and_why(ledger: Ledger) -> None:
    """Cycles, roll-backs, adjustments, files held and let in, and commands with who gave them and when they ended."""
    with ledger.connect() as conn:
        entries = timeline(conn, "m", 50)
        everybody = timeline(conn, None, 50)
        assert timeline(conn, "m", 3) == entries[-3:]
    assert [(entry["kind"], entry["at"]) for entry in entries] == [
        ("cycle", 11.0), ("cycle", 21.0), ("roll_back", 30.0), ("adjustment", 40.0), ("file_held", 50.0),
        ("file_released", 52.0), ("command", 60.0), ("command", 70.0), ("command", 80.0),
    ]  # fmt: skip
    assert len(everybody) == len(entries) + 1 and all(set(entry) == set(entries[0]) for entry in everybody)
    pause, refused, queued = entries[-3:]
    assert (pause["by"], pause["finished"], pause["state"]) == ("anna", 61.0, "done")
    assert "refused: resume answered" in sentence(refused) and "not done yet" in sentence(queued)
    told = "\n".join(f"{heading(entry)}: {sentence(entry)}" for entry in entries)
    for part in ("v2 is undone, v1 serves again", "x is 1000 times", "anna: pause answered", "promoted v2 (manual)"):
        assert part in told
    assert json.dumps(entries)


def test_a_roll_back_has_its_evidence_and_the_numbers_add_up(ledger: Ledger) -> None:
    """In the timeline and in the story of the cycle that brought the version: files, rows, and the mean that decided."""
    with ledger.connect() as conn:
        (entry,) = [one for one in timeline(conn, "m", 50) if one["kind"] == "roll_back"]
        facts = explain.describe(conn, 2)
        assert explain.describe(conn, 1)["rolled_back"] is None
    assert [(one["file"], one["rows"]) for one in entry["evidence"]] == [("1.csv", 300), ("2.csv", 300)]
    rows = sum(one["rows"] for one in entry["evidence"])
    mean = sum(one["rows"] * one["worse"] for one in entry["evidence"]) / rows
    assert f"by {mean:.4f} accuracy" in entry["reason"] and f"{rows} labelled rows of 2 files" in entry["reason"]
    text = explain.story(facts)
    assert "Rolled back" in text and f"in all: worse (+) by {mean:+.4f}, mean of 600 rows" in text


def test_versions_and_status_say_what_was_rolled_back(ledger: Ledger, tmp_path: Path) -> None:
    """The version that went is named; the one that serves again is not taken for it."""
    (tmp_path / "config.toml").write_text('[models.m]\ndata_dir = "data"\ntask = "classification"\ntarget = "y"\n')
    with ledger.begin() as conn:
        assert {one.version for one in promotions.roll_backs(conn, "m")} == {"v2"}
        promoted(conn, "m", "v3", 85.0)
        predecessor = promotions.champion(conn, "m").predecessor
        promotions.record(conn, "m", predecessor, "rollback", "by hand", 90.0)
        assert {one.version for one in promotions.roll_backs(conn, "m")} == {"v2", "v3"}
    champion = overview(load_config(tmp_path / "config.toml"), ledger)["models"]["m"]["champion"]
    assert champion["members"] == {"v1": 0.7, "v2": 0.3} and champion["rolled_back"] == "v3"


def test_adjustments_in_a_row_are_one_line() -> None:
    """A blend that follows every file does not fill the timeline; another version, or a cycle between, begins anew."""
    one = BLANK | {"kind": "adjustment", "model": "m", "version": "v1", "reason": "the blend follows"}
    entries = [one, one, one, BLANK | {"kind": "cycle"}, one, one | {"version": "v2"}]
    shown = folded(entries)
    assert [before for _, before in shown] == [2, 0, 0, 0]
    assert sentence(*shown[0]) == "without training, the blend follows; 2 more before it"
