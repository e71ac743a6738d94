"""What is next for a model that another system serves, each on an observation made by hand."""

from dataclasses import replace

from retrain.planning.planner import plan
from retrain.records.action import Action, Idle, OpenCycle, Wait
from retrain.records.deployment import Champion, Deployment
from retrain.records.finished_check import FinishedCheck
from retrain.records.observation import CycleResult, Elsewhere, Observation
from retrain.records.planner_state import PlannerState
from retrain.records.settings import ModelSettings

NOW = 1_000_000.0
V1 = "v0001-aaaaaaaa"
REFERENCE = Champion(Deployment.of(1, "m", {V1: 1.0}), 1, NOW - 7200, "", V1, 1, seen_seq=3, known_rows=600)
ROWS = Elsewhere(rows=600, from_seq=1, to_seq=2, version="3", before="3")
DROP = FinishedCheck(8, 4, False, (), True, 0.1, "accuracy")


def decide(observation: Observation, state: PlannerState | None = None, **changes) -> Action:
    """The action alone; drift and drops ask for a retrain."""
    given = {
        "data_dir": "d", "task": "classification", "target": "y", "served": "elsewhere", "prediction_column": "p",
        "triggers": {"on_drift": True, "on_performance": True},
    }  # fmt: skip
    state = state or PlannerState(seen_seq=3, next_number=2, judged_cycle=1)
    return plan(state, observation, NOW, ModelSettings.model_validate(given | changes))[1]


def seen(**changes) -> Observation:
    """A reference, new labelled rows and nothing to do."""
    base = Observation(1200, 200, {"no": 700, "yes": 500}, 5, REFERENCE, None, elsewhere=ROWS)
    return replace(base, **changes)


def test_a_reference_waits_for_its_rows():
    """Labelled or not."""
    waits = decide(seen(champion=None, labelled_rows=0, elsewhere=replace(ROWS, rows=499)))
    assert isinstance(waits, Wait)
    assert "500 rows (triggers.first_rows), there are 499" in waits.reason
    opened = decide(seen(champion=None, labelled_rows=0))
    assert isinstance(opened, OpenCycle)
    assert opened.trigger.kind == "reference"
    assert (opened.trigger.evidence["from_seq"], opened.trigger.evidence["to_seq"]) == (1, 2)


def test_observing_makes_a_reference_all_the_same():
    """Which promotes nothing."""
    assert isinstance(decide(seen(champion=None), mode="observe"), OpenCycle)


def test_a_reference_holds():
    """Neither drift nor a drop opens a cycle, nor does what would roll a version back."""
    assert isinstance(decide(seen(evidence=(DROP,))), Idle)


def test_what_asks_for_a_new_reference():
    """A person, another version of the other system, other columns, a champion of another kind, and labels for one that
    had none."""
    asked = {
        "by hand": seen(elsewhere=replace(ROWS, asked=(7,))),
        "serves 4 now, 3 before": seen(elsewhere=replace(ROWS, version="4")),
        "other columns": seen(elsewhere=replace(ROWS, why_new="the configuration names other columns")),
        "cannot be the reference": seen(unloadable="it is a model of driftd's own"),
        "the reference had none": seen(champion=replace(REFERENCE, known_rows=0)),
    }
    for reason, observation in asked.items():
        action = decide(observation)
        assert isinstance(action, OpenCycle), reason
        assert action.trigger.kind == "reference"
        assert reason in action.trigger.reason


def test_labels_that_gave_no_performance_are_not_tried_at_each_file():
    """They may be of other rows: the next try is at twice as many."""
    bare = seen(champion=replace(REFERENCE, known_rows=0))
    state = PlannerState(seen_seq=5, next_number=2, judged_cycle=1, relabelled=1000)
    assert isinstance(decide(bare, state), Idle)
    assert isinstance(decide(replace(bare, labelled_rows=2000), state), OpenCycle)


def test_a_reference_that_failed_is_not_tried_again_on_the_same_files():
    """But after new ones, and by hand."""
    lacking = seen(champion=None, newest_seq=5)
    state, _ = plan(PlannerState(), lacking, NOW, ModelSettings.model_validate(SETTINGS))
    assert isinstance(decide(lacking, state), Wait)
    assert isinstance(decide(replace(lacking, newest_seq=6), state), OpenCycle)
    assert isinstance(decide(replace(lacking, elsewhere=replace(ROWS, asked=(1,))), state), OpenCycle)


SETTINGS = {
    "data_dir": "d", "task": "classification", "target": "y", "served": "elsewhere", "prediction_column": "p",
    "triggers": {"on_drift": True, "on_performance": True},
}  # fmt: skip


def test_challengers_are_trained_where_they_are_asked_for():
    """A first one to compare as soon as labels allow, then for reasons of any model; too few labels are told."""
    first = decide(seen(), PlannerState(seen_seq=3), challengers=True)
    assert isinstance(first, OpenCycle)
    assert first.trigger.kind == "first_model"
    dropped = decide(seen(evidence=(DROP,)), challengers=True)
    assert isinstance(dropped, OpenCycle)
    assert dropped.trigger.kind == "performance"
    waits = decide(seen(labelled_rows=10), challengers=True)
    assert isinstance(waits, Wait)
    assert "first challenger needs 500 labelled rows" in waits.reason
    assert isinstance(decide(seen(), PlannerState(seen_seq=3, judged_cycle=1, grown=1000), challengers=True), Idle)


def test_a_challenger_spends_the_growth_that_there_was():
    """The reference stays, and its rows are no measure of how many the last challenger had."""
    settings = ModelSettings.model_validate(SETTINGS | {"challengers": True})
    state, action = plan(PlannerState(seen_seq=3), seen(), NOW, settings)
    assert isinstance(action, OpenCycle)
    judged = seen(retrained=CycleResult(1, False, 0.0), newest_seq=6)
    assert isinstance(plan(state, judged, NOW + 7200, settings)[1], Idle)
