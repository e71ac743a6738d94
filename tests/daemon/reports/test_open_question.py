"""`driftd explain` without a cycle: the largest open question of each model, in one sentence with its numbers."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ledgers import new_ledger
from sqlalchemy import Connection

from daemon.config.config import Config, load_config
from daemon.ledger import Ledger, cycles, deployments, files, models, promotions
from daemon.reading.look import Look
from daemon.reports.open_question import open_questions
from retrain.planning.planner import plan
from retrain.records.assessment import Assessment
from retrain.records.cycle import CycleState, Stage
from retrain.records.observation import Observation
from retrain.records.planner_state import PlannerState, Regret
from retrain.records.trigger import Trigger

FOUND = {"kind": "rows", "snapshot": "s", "rows": 380, "labelled_rows": 380, "class_rows": {}, "rejected": 0,
         "quarantine": None, "quality": {}, "first_time": None, "last_time": None, "rejects": []}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Config, Ledger]]:
    """A model of which nothing is known; a version, where there is one, has no files, and is taken for sound."""
    monkeypatch.setattr("daemon.reports.status.unloadable", lambda *_: "")
    (tmp_path / "config.toml").write_text('[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\n')
    config = load_config(tmp_path / "config.toml")
    ledger = new_ledger(config.state_dir)
    yield config, ledger
    ledger.close()


def file(conn: Connection, _config: Config) -> None:
    """380 labelled rows, and no model."""
    models.ensure(conn, "m")
    files.record_accepted(conn, "m", "1.csv", Look(1, 1, 1, 1), "sha", FOUND, 0.0)


def silent(conn: Connection, config: Config) -> None:
    """The same file where silence means a class, so that more rows count than have a label."""
    labels = config.models["m"].labels.model_copy(update={"negative": "no"})
    config.models["m"] = config.models["m"].model_copy(update={"labels": labels})
    file(conn, config)
    models.save_planner(conn, "m", PlannerState(), "all labels are 'no'")


def idle(conn: Connection, _config: Config) -> None:
    """The service runs, and nothing has come."""
    models.ensure(conn, "m")


def served(conn: Connection, config: Config) -> None:
    """A champion, of which one labelled file showed that a fresh model would have saved something."""
    file(conn, config)
    promotions.record(conn, "m", deployments.for_version(conn, "m", "v1", 1.0), "promote", "better", 1.0)
    gains = dict.fromkeys(("last3", "last12", "all"), (0.05, 0.01, 380))
    assessed = Assessment(1, 1, 380, "accuracy", 0.8, 0.2, gains=gains, newest="v1")
    champion = promotions.champion(conn, "m")
    observed = Observation(380, 380, {}, 1, champion, None, assessments=(assessed,))
    state, action = plan(PlannerState(base=Regret(handicap=-0.01)), observed, 2.0, config.models["m"])
    models.save_planner(conn, "m", state, action.reason)


def approval(conn: Connection, config: Config) -> None:
    """A challenger that waits for a person."""
    served(conn, config)
    cycle = cycles.open_cycle(conn, "m", Trigger("manual", "asked for by hand"), 1, 1, 3.0)
    cycles.save(conn, replace(cycle, state=CycleState.AWAITING_APPROVAL, stage=Stage.PROMOTE), 4.0)


def held(conn: Connection, config: Config) -> None:
    """The only file is held."""
    served(conn, config)
    files.hold(conn, "m", "1.csv", "x is 1000 times what it was")


def paused(conn: Connection, config: Config) -> None:
    """Somebody paused it."""
    served(conn, config)
    models.set_paused(conn, "m", True)


def ask(place: tuple[Config, Ledger], prepare: Callable[[Connection, Config], None] | None) -> dict[str, Any]:
    """The answer after something happened."""
    config, ledger = place
    if prepare is not None:
        with ledger.begin() as conn:
            prepare(conn, config)
    (answer,) = open_questions(config, ledger)
    return answer


@pytest.mark.parametrize(
    ("prepare", "about", "parts"),
    [
        (None, "first_model", ("has not run",)),
        (file, "first_model", ("500 labelled rows (triggers.first_rows)", "380 are there", "120 are missing")),
        (silent, "first_model", ("there is no model yet: all labels are 'no'",)),
        (idle, "first_model", ("there is no model yet: no file of rows has come",)),
        (served, "savings", ("no cycle is open", "added up over 1 labelled file", "a retrain pays from")),
        (approval, "approval", ("a person has to decide", "driftd approve 1", "asked for by hand")),
        (held, "held", ("1.csv is held", "x is 1000 times what it was", "driftd release")),
        (paused, "paused", ("paused by hand", "driftd resume")),
    ],
)
def test_the_largest_question_is_named_with_the_way_out(place: Any, prepare: Any, about: str, parts: Any) -> None:
    """A person comes before a wait, a wait before what is quiet."""
    answer = ask(place, prepare)
    assert answer["about"] == about
    for part in parts:
        assert part in answer["answer"]


def test_the_numbers_of_the_sentence_are_those_of_the_json(place: Any) -> None:
    """What was saved so far, and the price."""
    answer = ask(place, served)
    assert answer["metric"] == "accuracy" and answer["saved"] == pytest.approx(0.05 + 0.01 - 0.01)
    assert f"saved {answer['saved']:.4f} accuracy" in answer["answer"]
    assert f"pays from {answer['price']:.4f} (" in answer["answer"] and answer["saved"] < answer["price"]
