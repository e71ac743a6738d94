"""The planner's rules, each on an observation made by hand; the test owns the clock."""

from dataclasses import replace

import pytest

from retrain.planning.planner import plan
from retrain.records.action import Adjust, Idle, ObserveOnly, OpenCycle, Wait
from retrain.records.cycle import Cycle, CycleState, Stage
from retrain.records.deployment import Champion, Deployment
from retrain.records.finished_check import FinishedCheck, Rise
from retrain.records.observation import Adoption, CycleResult, Observation
from retrain.records.planner_state import PlannerState
from retrain.records.schema_change import PreparationChange, SchemaChange
from retrain.records.settings import ModelSettings
from retrain.records.trigger import Trigger

NOW = 1_000_000.0
V1 = "v0001-aaaaaaaa"
CHAMPION = Champion(Deployment.of(1, "m", {V1: 1.0}), 1, NOW - 7200, "", V1, 1, seen_seq=3, known_rows=1000)
TOLD = {"on_drift": True, "on_performance": True}
DRIFT = FinishedCheck(7, 4, True, ("x", "z"))
DROP = FinishedCheck(8, 4, False, (), True, 0.1, "accuracy")
QUIET = FinishedCheck(6, 4, False)


def settings(**changes) -> ModelSettings:
    """Defaults but for these, and drift and drops ask for a retrain."""
    changes["triggers"] = TOLD | changes.get("triggers", {})
    return ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y", **changes})


def seen(**changes) -> Observation:
    """A model with a champion, new labelled rows and nothing to do."""
    base = Observation(1200, 200, {"no": 700, "yes": 500}, 5, CHAMPION, None)
    return replace(base, **changes)


def decide(observation: Observation, state: PlannerState | None = None, now: float = NOW, **changes):
    """The action alone."""
    return plan(state or PlannerState(seen_seq=3, next_number=2), observation, now, settings(**changes))[1]


def test_a_rise_of_the_errors_names_its_detector():
    """The trigger says who saw the errors rise, from what to what, and where."""
    rise = Rise("adwin", 96, 0.1, 0.4)
    trigger = decide(seen(evidence=(replace(DROP, rise=rise),))).trigger
    assert trigger.kind == "performance" and trigger.evidence["detector"] == "adwin"
    assert trigger.reason == "adwin saw the mean error rise from 0.1 to 0.4 (row 96 of check 8)"


def test_nothing_happens_for_nothing():
    """Without a reason the planner does nothing, and says so."""
    assert isinstance(decide(seen()), Idle)


def test_a_recommender_waits_for_events():
    """Of a log nothing is labelled: its rows are events in every reason."""
    events = {"task": "recommendation", "user_column": "u", "item_column": "y", "time_column": "t"}
    few, grown = seen(champion=None, labelled_rows=9), seen(labelled_rows=2000)
    first, again = (decide(one, target="y", **events) for one in (few, grown))
    assert first.reason == "the first model needs 500 events (triggers.first_rows); there are 9"
    assert again.trigger.kind == "growth" and "there are 2,000 events, 2.0 times the 1,000" in again.reason


def test_a_recommender_that_was_kept_is_tried_again_once_it_has_grown_again():
    """Its counters follow what is new: with every further file the budget would be spent on nothing."""
    events = {"user_column": "u", "item_column": "y", "time_column": "t"}
    shop = ModelSettings.model_validate({"data_dir": "d", "task": "recommendation", "target": "y", **events})
    state, action = plan(PlannerState(seen_seq=3), seen(labelled_rows=2000), NOW, shop)
    assert action.trigger.kind == "growth"
    later = NOW + shop.triggers.cooldown
    state, action = plan(state, seen(labelled_rows=2100), later, shop)
    assert isinstance(action, Idle)
    assert plan(state, seen(labelled_rows=4000), later, shop)[1].trigger.reason.count("when that was last tried") == 1


@pytest.mark.parametrize(
    ("observation", "kind"),
    [
        (seen(evidence=(DRIFT,)), "drift"),
        (seen(evidence=(DROP,)), "performance"),
        (seen(evidence=(DRIFT, DROP)), "performance"),
        (seen(due=(4,)), "schedule"),
        (seen(manual=(9,)), "manual"),
        (seen(labelled_rows=2000), "growth"),
    ],
)
def test_each_reason_opens_a_cycle(observation, kind):
    """Drift, a drop, a schedule, a person's word and growth each open a cycle; a measured drop comes first."""
    action = decide(observation)
    assert isinstance(action, OpenCycle) and action.trigger.kind == kind
    assert action.reason == action.trigger.reason


def test_age_and_new_rows_open_a_cycle_when_configured():
    """Both are off unless asked for."""
    assert decide(seen(), triggers={"max_age": "1h"}).trigger.kind == "age"
    assert decide(seen(), triggers={"new_rows": 150}).trigger.kind == "new_data"
    assert isinstance(decide(seen(), triggers={"new_rows": 250}), Idle)


def test_a_future_age_is_a_time_to_wake():
    """The planner says when age alone will matter."""
    assert decide(seen(), triggers={"max_age": "3h"}).until == CHAMPION.promoted_at + 3 * 3600


def test_triggers_can_be_switched_off():
    """Drift and drops that nobody wants to act on are only reported."""
    assert isinstance(decide(seen(evidence=(DRIFT,)), triggers={"on_drift": False}), Idle)
    assert isinstance(decide(seen(evidence=(DROP,)), triggers={"on_performance": False}), Idle)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"open_cycle": Cycle(4, "m", Trigger("drift", ""), CycleState.OPEN, Stage.TRAIN, 0, 2, 5, NOW)}, "under way"),
        (
            {"open_cycle": Cycle(4, "m", Trigger("drift", ""), CycleState.AWAITING_APPROVAL, Stage.PROMOTE, 0, 2, 5, NOW)},
            "driftd approve 4",
        ),
        (
            {"open_cycle": Cycle(4, "m", Trigger("drift", ""), CycleState.ON_TRIAL, Stage.PROMOTE, 0, 2, 5, NOW, version="v2")},
            "v2 of cycle 4 is on trial",
        ),
        ({"paused": True}, "paused"),
        ({"backlog": 3}, "3 files are still to be taken in"),
    ],
)  # fmt: skip
def test_what_hinders_comes_before_every_reason(changes, told):
    """One open cycle at a time, none while paused, and a backfill is taken in before it is judged."""
    action = decide(seen(evidence=(DRIFT,), manual=(1,), **changes))
    assert isinstance(action, Wait) and told in action.reason


def test_drift_without_new_labels_waits_for_them():
    """Nothing can be learned from rows without labels; the drift is not forgotten meanwhile."""
    state, action = plan(PlannerState(), seen(new_labelled_rows=0, evidence=(DRIFT,)), NOW, settings())
    assert isinstance(action, Wait) and "new labelled row" in action.reason
    assert state.handled_check < DRIFT.check
    assert isinstance(decide(seen(evidence=(DRIFT,)), state), OpenCycle)


def test_the_cool_down_delays_and_names_its_end():
    """Within the cool-down nothing opens but what a person asks for."""
    state, cooled = PlannerState(last_opened_at=NOW - 600, next_number=2), {"cooldown": "1h"}
    action = decide(seen(evidence=(DRIFT,)), state, triggers=cooled)
    assert isinstance(action, Wait) and action.until == NOW - 600 + 3600
    assert isinstance(decide(seen(evidence=(DRIFT,)), state, NOW + 3000, triggers=cooled), OpenCycle)
    assert isinstance(decide(seen(manual=(1,)), state, triggers=cooled), OpenCycle)


@pytest.mark.parametrize(
    ("rows", "classes", "told"),
    [
        (499, {"no": 250, "yes": 249}, "needs 500 labelled rows (triggers.first_rows); there are 499"),
        (600, {"no": 600}, "all labels are 'no'"),
        (600, {"no": 590, "yes": 10}, "'yes' has 10"),
        (600, {}, "there are no labels"),
    ],
)
def test_the_first_model_waits_for_enough_rows_of_each_class(rows, classes, told):
    """Status tells what is lacking."""
    action = decide(seen(champion=None, labelled_rows=rows, class_rows=classes))
    assert isinstance(action, Wait) and told in action.reason


def test_the_first_model_opens_when_there_is_enough_and_not_again_for_nothing():
    """A first cycle that gave no model is repeated only when new rows arrived."""
    observation = seen(champion=None, labelled_rows=600, class_rows={"no": 300, "yes": 300}, new_labelled_rows=600)
    state, action = plan(PlannerState(), observation, NOW, settings())
    assert isinstance(action, OpenCycle) and action.trigger.kind == "first_model" and state.next_number == 2
    again = replace(observation, new_labelled_rows=0)
    assert isinstance(decide(again, state, NOW + 10**6), Wait)
    assert isinstance(decide(observation, state, NOW + 10**6), OpenCycle)


def test_a_first_model_that_was_kept_is_tried_again_with_a_fifth_more_rows():
    """Not with every small file: each try could be one of chance."""
    first = seen(champion=None, labelled_rows=600, class_rows={"no": 300, "yes": 300}, new_labelled_rows=600)
    state = plan(PlannerState(), first, NOW, settings())[0]
    few = decide(replace(first, labelled_rows=719, new_labelled_rows=119), state, NOW + 9000)
    assert isinstance(few, Wait) and "tried again with 120 new" in few.reason
    assert isinstance(decide(replace(first, labelled_rows=720, new_labelled_rows=120), state, NOW + 9000), OpenCycle)


def test_a_first_model_that_failed_is_tried_again_with_another_configuration():
    """Once for each; not again and again with the same."""
    first = seen(champion=None)
    state, action = plan(PlannerState(seen_seq=3), first, NOW, settings())
    assert isinstance(action, OpenCycle)
    again = replace(first, new_labelled_rows=0)
    assert isinstance(plan(state, again, NOW + 9000, settings())[1], Wait)
    state, action = plan(state, again, NOW + 9000, settings(metric="accuracy"))
    assert isinstance(action, OpenCycle) and action.trigger.kind == "first_model"
    assert isinstance(plan(state, again, NOW + 19000, settings(metric="accuracy"))[1], Wait)


def test_regression_needs_no_classes():
    """Only the number of rows counts."""
    observation = seen(champion=None, labelled_rows=600, class_rows={})
    assert isinstance(decide(observation, PlannerState(), task="regression"), OpenCycle)


def test_opening_remembers_what_it_acted_on():
    """The same evidence never opens a second cycle."""
    state, action = plan(PlannerState(seen_seq=3), seen(evidence=(DRIFT, DROP)), NOW, settings())
    assert isinstance(action, OpenCycle)
    assert (state.handled_check, state.seen_seq, state.last_opened_at) == (DROP.check, 5, NOW)


def test_quiet_checks_are_forgotten_up_to_the_first_that_found_something():
    """The ledger is not asked for them again; where drift asks for nothing, not for those that drifted either."""
    found = seen(evidence=(QUIET, DRIFT), new_labelled_rows=0)
    assert plan(PlannerState(), found, NOW, settings())[0].handled_check == QUIET.check
    state, _ = plan(PlannerState(), found, NOW, settings(triggers={"on_drift": False}))
    assert state.handled_check == DRIFT.check


def test_observe_reports_and_changes_nothing():
    """In mode observe the decision is told once, and no number is used up."""
    state, action = plan(PlannerState(next_number=2), seen(evidence=(DRIFT,)), NOW, settings(mode="observe"))
    assert isinstance(action, ObserveOnly) and (state.next_number, state.handled_check) == (2, DRIFT.check)


def test_asked_twice_it_answers_the_same():
    """It is a function of its arguments."""
    arguments = (PlannerState(), seen(evidence=(DRIFT,)), NOW, settings())
    assert plan(*arguments) == plan(*arguments)


def test_a_champion_that_cannot_be_loaded_is_made_anew_once():
    """Its cycle opens whatever else asks for one, and again only with new rows: no loop where it does not help."""
    told = seen(new_labelled_rows=0, unloadable="trained with scikit-learn 1.2; installed is 1.9")
    state, action = plan(PlannerState(), told, NOW, settings())
    assert isinstance(action, OpenCycle) and action.trigger.kind == "environment" and "1.2" in action.reason
    later, action = plan(state, told, NOW + 1e6, settings())
    assert isinstance(action, Wait) and "waits for new labelled rows" in action.reason
    assert isinstance(plan(later, replace(told, new_labelled_rows=5), NOW + 1e6, settings())[1], OpenCycle)
    assert not isinstance(plan(later, replace(told, unloadable=""), NOW + 1e6, settings())[1], OpenCycle)


@pytest.mark.parametrize("comparable", [True, False])
def test_a_changed_schema_gets_a_model_once_enough_rows_were_read_by_it(comparable):
    """Before that the champion is replaced as ever where they can be compared, and by nobody where they cannot."""
    changed = SchemaChange(("x was number and is category",), comparable, "d1", 10, {"no": 5, "yes": 5})
    told = seen(changed=changed, due=(7,), new_labelled_rows=10)
    action = plan(PlannerState(), told, NOW, settings())[1]
    assert isinstance(action, OpenCycle) is comparable
    if not comparable:
        assert "500 labelled rows (triggers.first_rows); there are 10" in action.reason
    enough = replace(changed, labelled_rows=600, class_rows={"no": 300, "yes": 300})
    state, action = plan(PlannerState(), replace(told, changed=enough, due=()), NOW, settings())
    assert isinstance(action, OpenCycle) and action.trigger.kind == "schema" and "x was number" in action.reason
    again = replace(told, changed=enough, due=(), new_labelled_rows=0)
    assert not isinstance(plan(state, again, NOW + 1e6, settings())[1], OpenCycle)


def test_a_clock_that_was_set_back_does_not_prolong_the_cool_down():
    """It begins anew at most: what was opened in the future counts as opened now, and that is committed."""
    ahead = PlannerState(last_opened_at=NOW + 6 * 3600, next_number=2)
    chosen = settings(triggers={"cooldown": "10m"})
    state, action = plan(ahead, seen(evidence=(DROP,)), NOW, chosen)
    assert isinstance(action, Wait) and action.until == NOW + 600
    assert isinstance(plan(state, seen(evidence=(DROP,)), NOW + 601, chosen)[1], OpenCycle)


def test_a_version_that_was_kept_despite_growth_is_not_trained_again_with_every_file():
    """Growth counts from there; where it was promoted, and rolled back since, it asks again."""
    state, action = plan(PlannerState(seen_seq=3, next_number=2), seen(labelled_rows=2100), NOW, settings())
    assert action.trigger.kind == "growth"
    for promoted, kind in ((False, Idle), (True, OpenCycle)):
        later = seen(labelled_rows=2200, retrained=CycleResult(1, promoted, 0.0))
        assert isinstance(plan(state, later, NOW + 100, settings())[1], kind)


def test_an_adjustment_tells_from_which_probability_on_a_class_is_answered():
    """And from which it was before, where that changes."""
    rule = {"costs": [], "positive": "yes", "threshold": 0.25, "chosen": True}

    def reason(threshold):
        calibration = {"classes": ["no", "yes"], "offset": [], "decision": [], "rule": rule | {"threshold": threshold}}
        proposal = {"members": {V1: 1.0}, "newest": V1, "recalibration": calibration, "harm": None}
        served = Deployment.of(1, "m", {V1: 1.0}, {**calibration, "rule": rule})
        champion = replace(CHAMPION, deployment=served)
        return decide(seen(champion=champion, proposal=proposal, proposal_id=9)).reason

    assert reason(0.4).endswith(", 'yes' answered from a probability of 0.4 on (before: 0.25)")
    assert "probability" not in reason(0.25)


@pytest.mark.parametrize(
    ("z", "chosen", "adjusts"), [(1.9, False, True), (2.1, False, False), (2.1, True, True), (3.1, True, False)]
)
def test_rows_that_chose_a_version_must_say_more_against_a_blend_with_others(z, chosen, adjusts):
    """On them it looks better than it is: after a promotion the blend is served in its place unless it is worse by three
    standard errors; by rows that came later, by two."""
    harm = {"mean": 0.01 * z, "se": 0.01, "rows": 90, "chosen": chosen}
    proposal = {"members": {V1: 0.6, "v0": 0.4}, "newest": V1, "recalibration": None, "harm": harm}
    assert isinstance(decide(seen(proposal=proposal, proposal_id=9)), Adjust) == adjusts


ADOPTED = Adoption((9,), {"file": "model.skops", "digest": "ab" * 32, "folder": "cd", "replaces": False})


def test_a_pipeline_is_adopted_once_there_are_rows_to_say_what_it_is_like():
    """It waits for five times the held-out rows that an evaluation needs, of the data folder or brought with it, and
    goes before a first model and a retrain by hand, also in mode observe."""
    waits = decide(seen(champion=None, labelled_rows=249, adoption=ADOPTED))
    assert isinstance(waits, Wait) and "model.skops (sha256 abababababab) is to be adopted" in waits.reason
    assert "need 250 labelled rows; there are 249" in waits.reason
    brought = replace(ADOPTED, about=ADOPTED.about | {"rows": 250})
    for one in (
        seen(champion=None, labelled_rows=250, adoption=ADOPTED, manual=(1,)),
        seen(champion=None, labelled_rows=0, adoption=brought),
    ):
        for mode in ("auto", "observe"):
            opened = decide(one, mode=mode)
            assert isinstance(opened, OpenCycle) and opened.trigger.kind == "adopt"
            assert opened.trigger.reason == "adopted from model.skops (sha256 abababababab)"


def test_a_changed_preparation_opens_one_cycle():
    """With its reason; again only with new labelled rows, or for other code, and not against a person who went back."""
    change = PreparationChange("features.py:prepare is another one", "ef")
    state, opened = plan(PlannerState(seen_seq=3, next_number=2), seen(preparation=change), NOW, settings())
    assert isinstance(opened, OpenCycle) and opened.trigger.kind == "prepare" and opened.reason == change.reason
    later = NOW + 86400
    none, fixed = seen(preparation=change, new_labelled_rows=0), replace(CHAMPION, fixed=True)
    assert not isinstance(decide(none, state, later), OpenCycle)
    assert not isinstance(decide(seen(preparation=change, champion=fixed), state, later), OpenCycle)
    assert isinstance(decide(seen(preparation=change), state, later), OpenCycle)
    other = replace(none, preparation=replace(change, digest="01"))
    assert isinstance(decide(other, state, later), OpenCycle)
