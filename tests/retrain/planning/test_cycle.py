"""The cycle's state machine: every outcome at every stage."""

from dataclasses import replace

import pytest

from retrain.planning.cycle import advance, after_trial, approve
from retrain.records.cycle import Cycle, CycleState, Stage
from retrain.records.outcome import Outcome
from retrain.records.trigger import Trigger

OPEN = Cycle(1, "m", Trigger("drift", "why"), CycleState.OPEN, Stage.PREPARE, 0, 2, 5, 0.0)


def after(cycle: Cycle, kind: str, mode: str = "auto", reason: str = "") -> Cycle:
    """One step with three attempts and a first pause of ten seconds."""
    return advance(cycle, Outcome(kind, {}, reason), 100.0, 3, 10.0, mode)


def test_a_cycle_that_goes_well_walks_all_stages():
    """prepare → train → evaluate → promote → promoted, with the gate's reason."""
    cycle, walked = OPEN, []
    while cycle.state is CycleState.OPEN:
        walked.append(cycle.stage)
        cycle = after(cycle, "ok", reason="better" if cycle.stage is Stage.EVALUATE else "")
    assert walked == list(Stage) and cycle.state is CycleState.PROMOTED and cycle.reason == "better"


@pytest.mark.parametrize("stage", list(Stage))
def test_a_stage_is_tried_again_with_growing_pauses_then_fails(stage):
    """Three attempts, after 10 and 20 seconds; then the cycle fails and says where."""
    first = after(replace(OPEN, stage=stage), "retry", reason="no memory")
    second = after(first, "retry", reason="no memory")
    third = after(second, "retry", reason="no memory")
    assert [c.not_before for c in (first, second)] == [110.0, 120.0]
    assert (third.state, third.reason) == (CycleState.FAILED, f"{stage} failed: no memory")


def test_success_after_a_retry_begins_the_next_stage_afresh():
    """Attempts and pauses belong to a stage."""
    cycle = after(after(OPEN, "retry"), "ok")
    assert (cycle.stage, cycle.attempt, cycle.not_before) == (Stage.TRAIN, 0, 0.0)


def test_a_promotion_that_an_error_delayed_tells_the_gates_reason():
    """Not the error of the attempt before."""
    delayed = after(replace(OPEN, stage=Stage.PROMOTE, reason="better"), "retry", reason="disk full")
    assert after(delayed, "ok", reason="better").reason == "better"


def test_a_terminal_outcome_fails_at_once():
    """What cannot go better is not tried again."""
    assert after(OPEN, "terminal").state is CycleState.FAILED


def test_a_kept_champion_ends_the_cycle():
    """The gate's reason is the cycle's."""
    cycle = after(replace(OPEN, stage=Stage.EVALUATE), "kept", reason="worse")
    assert (cycle.state, cycle.reason) == (CycleState.KEPT, "worse")


def test_mode_approve_waits_for_a_person_before_the_promotion():
    """Only the passed gate waits; approval goes on to the promotion."""
    assert after(OPEN, "ok", "approve").state is CycleState.OPEN
    waiting = after(replace(OPEN, stage=Stage.EVALUATE), "ok", "approve", "better")
    assert (waiting.state, waiting.stage) == (CycleState.AWAITING_APPROVAL, Stage.PROMOTE)
    assert after(approve(waiting), "ok", "approve").state is CycleState.PROMOTED


def test_a_proven_version_may_go_on_trial_before_it_is_promoted():
    """Only after the promote stage; what was seen then promotes or drops it, with both reasons."""
    promoting = replace(OPEN, stage=Stage.PROMOTE, reason="better", version="v2")
    begun = advance(promoting, Outcome("ok"), 100.0, 3, 10.0, "auto", True)
    assert begun.state is CycleState.ON_TRIAL
    assert advance(OPEN, Outcome("ok"), 100.0, 3, 10.0, "auto", True).state is CycleState.OPEN
    passed, dropped = after_trial(begun, True, "no harm"), after_trial(begun, False, "it failed")
    assert (passed.state, passed.reason) == (CycleState.PROMOTED, "better; no harm")
    assert (dropped.state, dropped.reason) == (CycleState.KEPT, "it failed")


def test_an_error_that_training_raises_twice_alike_is_not_tried_a_third_time():
    """With the way out; another error, or one of the world's, has all its attempts."""

    def step(cycle: Cycle, reason: str, raised: bool = True) -> Cycle:
        return advance(cycle, Outcome("retry", {}, reason, raised), 100.0, 3, 10.0, "auto")

    first = step(replace(OPEN, stage=Stage.TRAIN, reason="KeyError: 'x'"), "KeyError: 'x'")
    assert first.state is CycleState.OPEN
    assert step(first, "KeyError: 'y'").state is CycleState.OPEN
    assert step(first, "KeyError: 'x'", raised=False).state is CycleState.OPEN
    twice = step(first, "KeyError: 'x'")
    assert twice.state is CycleState.FAILED
    assert twice.reason.startswith("train failed twice alike and is not tried a third time: KeyError: 'x'; ")
    assert twice.reason.endswith("`driftd retrain m`")
