"""Regret against the price of a retrain, the budget, the choice of the window, and the roll-back after a promotion."""

from dataclasses import replace

import numpy as np
import pytest

from retrain.planning import probation, regret
from retrain.planning.planner import plan
from retrain.records.action import Adjust, Idle, OpenCycle, RollBack, Wait
from retrain.records.assessment import Assessment
from retrain.records.cycle import Cycle, CycleState, Stage
from retrain.records.deployment import Champion, Deployment
from retrain.records.observation import CycleResult, Observation
from retrain.records.planner_state import PlannerState, Probation, Regret
from retrain.records.settings import ModelSettings, TriggerSettings
from retrain.records.trigger import Trigger

TRIGGERS = TriggerSettings()
CHAMPION = Champion(Deployment.of(1, "m", {"v1": 1.0}), 1, 0.0, "", "v1", 1, seen_seq=3, known_rows=1000)


def settings(**changes) -> ModelSettings:
    """Defaults but for these."""
    return ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y", **changes})


def pairs(short: float, middle: float) -> dict:
    """The twins' differences on one file, in which the short and the middle window cost so much less than all."""
    return {
        "last3|last12": (middle - short, 0.1, 400), "last3|all": (-short, 0.1, 400), "last12|all": (-middle, 0.1, 400),
    }  # fmt: skip


def assessed(seq: int, gain: float = 0.0, error: float = 0.01, loss: float = 0.2, **more) -> Assessment:
    """A labelled file on which a fresh model would have saved `gain`."""
    twins = dict.fromkeys(("last3", "last12", "all"), loss - gain)
    moments = dict.fromkeys(("last3", "last12", "all"), (gain, error, 400))
    told = Assessment(seq, seq, 400, "accuracy", 0.8, loss, twins, pairs(0.0, 0.0), moments, newest="v1")
    return replace(told, **more)


def walked(gains: list[float]) -> Regret:
    """The regret after files with these gains."""
    start = Regret()
    for seq, gain in enumerate(gains, 1):
        start = regret.assessed(start, assessed(seq, gain))
    return start


def test_gains_within_chance_add_up_to_nothing() -> None:
    """Each file's gain is lessened by its standard error, and the sum never falls below nothing."""
    rng = np.random.default_rng(0)
    assert walked(rng.normal(0, 0.01, 200).tolist()).sum < 0.05
    assert walked([-1.0] * 5).sum == 0.0


def test_of_two_estimates_the_better_one_counts_and_is_named() -> None:
    """A small model trained before the file, or with it; its parts add up, and a file without either counts nothing."""
    both = assessed(1, 0.05, fresh={"all": (0.09, 0.02, 80)})
    found = regret.file_gain(both, "all", -0.03)
    assert found is not None and (found.trained, found.measured, found.lacking) == ("with", 0.09, 0.03)
    assert found.counted == pytest.approx(0.09 + 0.03 - 1.5 * 0.02)
    before = regret.file_gain(replace(both, fresh={"all": (0.05, 0.02, 80)}), "all", -0.03)
    assert before is not None and before.trained == "before" and before.counted == pytest.approx(0.05 + 0.03 - 0.01)
    some = walked([0.1, 0.1])
    bare = replace(assessed(3), gains={"last3": (5.0, 0.01, 400)}, twins={})
    after = regret.assessed(some, bare)
    assert (after.sum, after.gains, after.span) == (some.sum, some.gains, 2)


def test_a_gain_that_goes_on_opens_a_cycle_and_names_its_numbers() -> None:
    """Once what a fresh model would have saved exceeds the price; the same evidence opens no second one."""
    state, opened = PlannerState(next_number=2), []
    for seq in range(4, 12):
        known = tuple(assessed(one, 0.05) for one in range(4, seq + 1))
        seen = Observation(2000, 100, {}, seq, CHAMPION, None, assessments=known, batches=float(seq))
        only_regret = settings(triggers={"growth": False})
        state, action = plan(state, seen, 1000.0 * seq, only_regret)
        opened.append(type(action))
        if isinstance(action, OpenCycle):
            assert action.trigger.kind == "regret"
            assert "would have saved" in action.reason and action.trigger.evidence["window"] == {"kind": "decay"}
            assert state.regret.sum == 0.0 and state.regret.retrains == 1
            assert not isinstance(plan(state, seen, 1000.0 * seq + 999, only_regret)[1], OpenCycle)
            break
    assert opened[-1] is OpenCycle and 1 < len(opened) < 6


def test_the_price_doubles_ahead_of_the_budget_and_halves_behind_it() -> None:
    """A retrain too many makes the next twice as dear; unspent budget makes it cheaper, down to a quarter."""
    prices = [regret.price(Regret(loss=0.2, credit=credit), TRIGGERS, False).total for credit in (-1.0, 0.0, 1.0, 9.0)]
    assert prices == pytest.approx([0.2, 0.1, 0.05, 0.025])
    assert regret.price(Regret(loss=0.2), TRIGGERS, True).total == pytest.approx(0.08)


def test_the_budget_is_never_overdrawn_by_more_than_three() -> None:
    """Whatever the gains: a retrain is opened only while fewer than two are ahead of the pace."""
    state, opened = PlannerState(next_number=2), 0
    for seq in range(4, 104):
        known = tuple(assessed(one, 5.0) for one in range(4, seq + 1))
        seen = Observation(2000, 100, {}, seq, CHAMPION, None, assessments=known, batches=float(seq))
        limits = settings(triggers={"retrains": "10 per 100 batches", "growth": None, "cooldown": "1ms"})
        state, action = plan(state, seen, 1000.0 * seq, limits)
        opened += isinstance(action, OpenCycle)
    assert 9 <= opened <= 13


def test_without_a_budget_the_price_alone_decides() -> None:
    """`retrains = false`: the price is the told share of the loss however many retrains came before, and what was
    ahead of an earlier budget is forgotten."""
    state, opened = PlannerState(next_number=2, base=Regret(credit=-5.0), regret=Regret(credit=-5.0), batches=0.0), 0
    limits = settings(triggers={"retrains": False, "growth": None, "cooldown": "1ms"})
    for seq in range(4, 24):
        known = tuple(assessed(one, 5.0) for one in range(4, seq + 1))
        seen = Observation(2000, 100, {}, seq, CHAMPION, None, assessments=known, batches=float(seq))
        state, action = plan(state, seen, 1000.0 * seq, limits)
        opened += isinstance(action, OpenCycle)
        assert (state.regret.credit, regret.price(state.regret, limits.triggers, False).budget) == (0.0, 1.0)
    assert opened == 20


def test_a_budget_by_time_is_earned_by_the_clock() -> None:
    """Two a week: after a week two retrains are earned."""
    triggers = TriggerSettings.model_validate({"retrains": "2 per week"})
    found = regret.elapsed(regret.elapsed(Regret(), 0.0, triggers), 7 * 86400.0, triggers)
    assert found.credit == pytest.approx(2.0)


def test_retrains_that_did_not_pay_make_the_next_dearer() -> None:
    """The penalty doubles up to four; one that paid halves it."""
    found = Regret()
    for cycle in range(4):
        found = regret.retrained(found, CycleResult(cycle, True, 0.2, -0.05))
    assert found.penalty == 4.0
    assert regret.retrained(found, CycleResult(9, True, 3.0, -0.05)).penalty == 2.0
    assert regret.retrained(found, CycleResult(9, False, -3.0)).penalty == 4.0


@pytest.mark.parametrize(
    ("short", "middle", "window"),
    [(0.2, 0.1, "last3"), (0.0, 0.2, "last12"), (0.0, 0.0, "decay"), (-0.2, -0.2, "all")],
)
def test_the_window_is_left_only_for_paired_evidence(short: float, middle: float, window: str) -> None:
    """Decaying weights unless the twins of the last files are for another one."""
    found = Regret()
    for seq in range(1, 6):
        twins = {"last3": 0.3 - short, "last12": 0.3 - middle, "all": 0.3}
        found = regret.assessed(found, assessed(seq, twins=twins, pairs=pairs(short, middle)))
    assert found.window == window


def test_a_long_file_alone_is_evidence_for_a_window() -> None:
    """As three files are; and of what came before it nothing is asked any more."""
    twins, told = {"last3": 0.1, "last12": 0.3, "all": 0.3}, pairs(0.2, 0.0)
    long = {key: (mean, variance, 30_000) for key, (mean, variance, _) in told.items()}
    against = {key: (-mean, variance, rows) for key, (mean, variance, rows) in told.items()}
    old = {"last3": 0.3, "last12": 0.1, "all": 0.1}
    for first, second, window in ((long, long, "last3"), (told, told, "decay"), (against, long, "last3")):
        found = regret.assessed(Regret(), assessed(1, twins=old if first is against else twins, pairs=first))
        found = regret.assessed(found, assessed(2, twins=twins, pairs=second))
        assert found.window == window


def test_a_short_window_reaches_back_to_the_change() -> None:
    """Since the regret began, at least three files and at most twelve."""
    for span, files in ((1, 3), (6, 6), (0, 3), (10, 10), (30, 12)):
        assert regret.window_choice(Regret(window="last3", span=span)) == {"kind": "files", "files": files}
    assert regret.window_choice(Regret(window="all")) == {"kind": "all"}
    assert walked([-1.0, 0.1, 0.1, 0.1]).span == 3


def test_a_state_survives_the_ledger() -> None:
    """It is stored as JSON; a state of the first version begins to count."""
    state = PlannerState(regret=walked([0.1, 0.2]), probation=Probation("v1", 2, 800, 1.0, 2.0, 3.0), judged_cycle=4)
    assert PlannerState.from_json(state.to_json()) == state
    old = {"version": 1, "handled_check": 3, "seen_seq": 5, "last_opened_at": 1.0, "next_number": 2}
    assert PlannerState.from_json(old) == PlannerState(3, 3, 5, 1.0, 2)


def looked(seed: int, worse: float, files: int = 8) -> bool:
    """Whether a promotion is undone at any of these looks, where it costs so much more than before."""
    rng = np.random.default_rng(seed)
    trial = Probation("v1")
    for seq in range(files):
        differences = rng.normal(worse, 0.3, 300)
        rival = (float(differences.mean()), float(differences.var()), 300)
        trial = probation.watched(trial, assessed(seq, rival=rival), files)
        if probation.verdict(trial, CHAMPION, settings()) is not None:
            return True
    return False


def test_looking_at_every_file_undoes_few_good_promotions_and_most_bad_ones() -> None:
    """The chance over all looks together stays within alpha; a clearly worse model is undone."""
    assert np.mean([looked(seed, 0.0) for seed in range(400)]) <= 0.05
    assert np.mean([looked(seed, 0.06) for seed in range(100)]) >= 0.95


def test_rules_can_be_switched_off() -> None:
    """TOML has no null: `false` does it."""
    off = TriggerSettings.model_validate({"regret": False, "growth": False})
    assert off.regret is None and off.growth is None
    state = PlannerState(base=walked([1.0] * 4))
    seen = Observation(9000, 100, {}, 5, CHAMPION, None)
    assert isinstance(plan(state, seen, 0.0, settings(triggers={"regret": False, "growth": False}))[1], Idle)
    assert isinstance(plan(state, seen, 0.0, settings(triggers={"growth": False}))[1], OpenCycle)


def test_a_roll_back_happens_once() -> None:
    """The verdict is acted on once, and a proposal of mixtures comes after it."""
    state = PlannerState(base=walked([1.0] * 4))
    seen = Observation(2000, 0, {}, 5, CHAMPION, None, assessments=(assessed(5, rival=(0.5, 0.01, 300)),))
    state, action = plan(state, seen, 0.0, settings())
    assert state.regret.sum == 0.0  # of what was undone
    assert isinstance(action, RollBack) and "worse than its predecessor" in action.reason
    assert isinstance(plan(state, seen, 1.0, settings())[1], Idle)


def harmed(first: int, last: int) -> tuple[Assessment, ...]:
    """Labelled files on which the champion costs more than its predecessor, beyond doubt together."""
    return tuple(assessed(seq, rival=(0.05, 0.09, 300)) for seq in range(first, last + 1))


UNDER_WAY = Cycle(4, "m", Trigger("drift", ""), CycleState.OPEN, Stage.TRAIN, 0, 2, 5, 0.0)
HINDRANCES = ({"paused": True}, {"backlog": 3}, {"open_cycle": UNDER_WAY})


@pytest.mark.parametrize("hindrance", HINDRANCES, ids=lambda changes: next(iter(changes)))
def test_a_probation_does_not_end_while_nothing_can_be_decided(hindrance: dict) -> None:
    """However many files are assessed meanwhile: the verdict is on the first of them, once it can be asked for."""
    state, seen = PlannerState(), Observation(2000, 0, {}, 5, CHAMPION, None)
    for seq in range(4, 24):
        state, action = plan(state, replace(seen, assessments=harmed(4, seq), **hindrance), 0.0, settings())
        assert isinstance(action, Wait)
    _, action = plan(state, replace(seen, assessments=harmed(4, 23)), 1.0, settings())
    assert isinstance(action, RollBack) and "2,400 labelled rows" in action.reason


def test_files_that_are_assessed_at_once_do_not_end_a_probation_unjudged() -> None:
    """As after a backlog, or where labels come late; a single one beyond the setting ended it."""
    seen = Observation(2000, 0, {}, 5, CHAMPION, None, assessments=harmed(4, 24))
    assert isinstance(plan(PlannerState(), seen, 0.0, settings())[1], RollBack)


def test_a_probation_that_was_survived_is_over() -> None:
    """Neither later files nor another setting undo the promotion then; a new version begins anew."""
    good = tuple(assessed(seq, rival=(0.001, 0.09, 300)) for seq in range(4, 12))
    seen = Observation(2000, 0, {}, 5, CHAMPION, None, assessments=good)
    state, action = plan(PlannerState(), seen, 0.0, settings())
    assert isinstance(action, Idle)
    more = replace(seen, assessments=harmed(12, 40))
    loose = settings(probation={"alpha": 0.5, "files": 99})
    state, action = plan(state, more, 1.0, loose)
    assert isinstance(action, Idle)
    fresh = tuple(replace(one, newest="v2") for one in harmed(41, 48))
    champion = replace(CHAMPION, deployment=Deployment.of(2, "m", {"v2": 1.0}), newest="v2")
    assert isinstance(plan(state, replace(seen, champion=champion, assessments=fresh), 2.0, settings())[1], RollBack)


def test_a_proposal_is_served_where_it_differs_and_nobody_chose_otherwise() -> None:
    """Other weights are served once; not in mode observe, and not over what a person promoted."""
    proposal = {"members": {"v1": 0.7, "v0": 0.3}, "newest": "v1", "recalibration": None}
    seen = Observation(2000, 0, {}, 5, CHAMPION, None, proposal=proposal, proposal_id=1)
    state, action = plan(PlannerState(), seen, 0.0, settings())
    assert isinstance(action, Adjust) and action.proposal == proposal and "v0 (30%)" in action.reason
    assert isinstance(plan(state, seen, 0.0, settings())[1], Idle)
    assert isinstance(plan(PlannerState(), seen, 0.0, settings(mode="observe"))[1], Idle)
    by_hand = replace(seen, champion=replace(CHAMPION, fixed=True))
    assert isinstance(plan(PlannerState(), by_hand, 0.0, settings())[1], Idle)
    same = replace(seen, proposal=proposal | {"members": {"v1": 1.0}})
    assert isinstance(plan(PlannerState(), same, 0.0, settings())[1], Idle)


def test_evidence_that_labels_changed_counts_once_and_in_any_order() -> None:
    """Labels that come late or are corrected replace what was known: the sum is that of today's labels, however often
    it was asked for and in whatever order the files' labels came."""
    files = [assessed(4, 0.02), assessed(5, 0.03), assessed(6, 0.04)]
    seen = Observation(2000, 0, {}, 6, CHAMPION, None, batches=3.0)
    at_once, _ = plan(PlannerState(), replace(seen, assessments=tuple(files)), 0.0, settings())
    state = PlannerState()
    for known in ([files[2]], [assessed(4, 0.5), files[2]], [files[0], files[2]], files, files):
        state, _ = plan(state, replace(seen, assessments=tuple(known)), 0.0, settings())
    assert state.regret == at_once.regret and state.regret.files == 3


def test_the_budget_is_earned_by_what_came_not_by_what_was_judged() -> None:
    """Files whose labels never come earn as much as others; asking again earns nothing."""
    state = PlannerState(batches=10.0)
    seen = Observation(2000, 0, {}, 20, CHAMPION, None, batches=20.0)
    for _ in range(3):
        state, _ = plan(state, seen, 0.0, settings())
    assert state.regret.credit == pytest.approx(10 * 0.2)


def test_an_adjustment_that_would_cost_more_than_what_is_served_is_left() -> None:
    """Compared as each would answer, on the newest labels that may be believed."""
    proposal = {"members": {"v1": 0.7, "v0": 0.3}, "newest": "v1", "recalibration": None}
    for mean, adjusts in ((0.05, False), (0.01, True), (-0.05, True)):
        harm = {"mean": mean, "se": 0.01, "rows": 300}
        seen = Observation(2000, 0, {}, 5, CHAMPION, None, proposal=proposal | {"harm": harm}, proposal_id=1)
        assert isinstance(plan(PlannerState(), seen, 0.0, settings())[1], Adjust) is adjusts


def test_adjustments_that_surely_harm_are_undone_until_the_next_version() -> None:
    """What is served is compared with its newest version alone on every labelled file, by a test that holds at every
    look; nothing is adjusted again before another version is promoted."""
    plain = {"members": {"v1": 1.0}, "newest": "v1", "recalibration": None}
    served = replace(CHAMPION, deployment=Deployment.of(2, "", {"v0": 0.6, "v1": 0.4}))
    proposal = {"members": {"v1": 0.7, "v0": 0.3}, "newest": "v1", "recalibration": None, "plain": plain}
    harmed = tuple(assessed(seq, plain=(0.05, 0.09, 300)) for seq in range(4, 12))
    seen = Observation(2000, 0, {}, 12, served, None, proposal=proposal, proposal_id=1, assessments=harmed)
    state, action = plan(PlannerState(), seen, 0.0, settings())
    assert isinstance(action, Adjust) and action.proposal == plain
    assert "worse than v1 alone on 2,400 labelled rows" in action.reason
    after = replace(seen, champion=CHAMPION, proposal_id=2)
    assert isinstance(plan(state, after, 1.0, settings())[1], Idle)
    fine = tuple(assessed(seq, plain=(-0.001, 0.09, 300)) for seq in range(4, 12))
    assert plan(PlannerState(), replace(seen, assessments=fine), 0.0, settings())[1].proposal == proposal
