"""A recommendation's blend is live: it follows every file, whatever else is decided."""

from dataclasses import replace

import pytest

from retrain.planning.planner import plan
from retrain.records.action import Adjust, Idle, OpenCycle
from retrain.records.deployment import Champion, Deployment
from retrain.records.observation import Observation
from retrain.records.planner_state import PlannerState
from retrain.records.settings import ModelSettings

NOW = 1_000_000.0
V1 = "v0001-aaaaaaaa"
CHAMPION = Champion(Deployment.of(1, "m", {V1: 1.0}), 1, NOW - 7200, "", V1, 1, seen_seq=3, known_rows=1000)
PROPOSAL = {"members": {V1: 1.0}, "newest": V1, "recalibration": {"exclude_seen": True}, "reason": "the blend follows"}
SETTINGS = ModelSettings.model_validate(
    {"data_dir": "d", "task": "recommendation", "user_column": "u", "item_column": "i", "time_column": "t"}
)


def seen(rows: int, **more: object) -> Observation:
    """A model with a proposed blend; its champion knew 1,000 rows."""
    return replace(Observation(rows, rows - 1000, {}, 5, CHAMPION, None, proposal=PROPOSAL, proposal_id=4), **more)  # type: ignore[arg-type]


def test_it_is_served_before_a_cycle_opens() -> None:
    """A file that asks for a retrain teaches the blend first; the cycle is opened at the next question."""
    state, action = plan(PlannerState(seen_seq=3, next_number=2), seen(2000), NOW, SETTINGS)
    assert isinstance(action, Adjust) and action.reason == "the blend follows"
    assert isinstance(plan(state, seen(2000), NOW, SETTINGS)[1], OpenCycle)


@pytest.mark.parametrize("task", ["recommendation", "classification"])
def test_a_version_that_a_person_chose_stays_and_its_blend_follows(task: str) -> None:
    """Where versions are mixed, what a person chose is served as it is."""
    asked = SETTINGS
    if task == "classification":
        asked = ModelSettings.model_validate({"data_dir": "d", "task": task, "target": "y"})
    observation = seen(1100, champion=replace(CHAMPION, fixed=True))
    action = plan(PlannerState(seen_seq=3, next_number=2), observation, NOW, asked)[1]
    assert isinstance(action, Adjust if task == "recommendation" else Idle)


def test_a_retrain_is_rarer_than_elsewhere() -> None:
    """By default, since counters carry most of what is new: fewer for the same files, and at other growth."""
    other = ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y"})
    assert SETTINGS.triggers.retrains.rate < other.triggers.retrains.rate
    assert ModelSettings.model_validate(SETTINGS.model_dump(mode="json")) == SETTINGS
