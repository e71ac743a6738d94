"""What next? One pure function from what is known of a model to the next action, with its reason in words.

It reads the state of things, not events: asked twice with the same arguments it answers the same, and what was
missed while the service was down is seen at the next question. The clock is an argument (Unix seconds). The daemon and
the replay of history ask the same function."""

import hashlib
from dataclasses import replace
from typing import Any

from retrain.planning import probation, regret
from retrain.records.action import Action
from retrain.records.check_result import CheckResult
from retrain.records.cycle import CycleState
from retrain.records.deployment import Champion
from retrain.records.observation import Changed, Observation
from retrain.records.planner_state import PlannerState, Regret
from retrain.records.settings import ModelSettings, TriggerSettings
from retrain.records.trigger import Trigger

TOLD_COLUMNS = 5
STILL = "still to be taken in"
LEAST_CHANGE = 0.01
Plan = tuple[PlannerState, Action]


def plan(state: PlannerState, observation: Observation, now: float, settings: ModelSettings) -> Plan:
    """The next action, and the state to commit with it."""
    state = _learn(_forget_quiet_checks(state, observation, settings.triggers), observation, now, settings)
    hindered = _hindered(observation)
    if hindered is not None:
        return state, Action("wait", hindered)
    if observation.manual:
        return _act(state, observation, now, settings, Trigger("manual", "asked for by hand"))
    if observation.champion is None:
        return _first(state, observation, now, settings)
    if observation.unloadable:
        return _rebuild(state, observation, now, settings)
    if observation.changed is not None:
        reshaped = _reshape(state, observation, observation.changed, now, settings)
        if reshaped is not None:
            return reshaped
    undone = probation.verdict(state.probation, observation.champion, settings)
    if undone is not None:
        anew = replace(state.regret, sum=0.0, since=None, span=0)
        return replace(state, regret=anew, probation=probation.over(state.probation)), Action("rollback", undone)
    trigger = _trigger(state, observation, now, settings.triggers)
    if trigger is None:
        return _reweigh(state, observation, settings)
    if observation.new_labelled_rows < settings.triggers.min_new_rows:
        return state, Action("wait", _lacks_rows(trigger, observation, settings.triggers))
    return _cooled(state, observation, now, settings, trigger)


def backlog_told(files: int) -> str:
    """What is waited for while files wait.

    >>> backlog_told(1), backlog_told(1300)
    ('1 file is still to be taken in', '1,300 files are still to be taken in')
    """
    return f"1 file is {STILL}" if files == 1 else f"{files:,} files are {STILL}"


def _learn(state: PlannerState, observation: Observation, now: float, settings: ModelSettings) -> PlannerState:
    """What cycles and labelled files told since the last question."""
    found, trial = regret.elapsed(state.regret, now, settings.triggers), state.probation
    result = observation.retrained
    if result is not None and result.cycle > state.judged_cycle:
        found = regret.retrained(found, result)
        state = replace(state, judged_cycle=result.cycle)
    for one in observation.assessments:
        if one.id > state.assessed:
            found = regret.assessed(found, one, settings.triggers)
            trial = probation.watched(trial, one)
            state = replace(state, assessed=one.id)
    return replace(state, regret=found, probation=trial)


def _reweigh(state: PlannerState, observation: Observation, settings: ModelSettings) -> Plan:
    """Serve the proposed mixture and recalibration where they differ from what is served."""
    champion, proposal = observation.champion, observation.proposal
    assert champion is not None
    idle = Action("idle", _idle(state, settings), until=_due_at(observation, settings))
    if proposal is None or champion.fixed or observation.proposal_id <= state.proposed:
        return state, idle
    state = replace(state, proposed=observation.proposal_id)
    if proposal["newest"] != champion.newest or settings.mode != "auto" or not _differs(proposal, champion):
        return state, idle
    return state, Action("reweigh", _told_proposal(proposal), proposal=proposal)


def _differs(proposal: dict[str, Any], champion: Champion) -> bool:
    if proposal["recalibration"] != champion.recalibration:
        return True
    names = {*proposal["members"], *champion.members}
    return any(abs(proposal["members"].get(n, 0.0) - champion.members.get(n, 0.0)) > LEAST_CHANGE for n in names)


def _told_proposal(proposal: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {weight:.0%}" for name, weight in proposal["members"].items())
    moved = "" if proposal["recalibration"] is None else ", recalibrated"
    return f"on the newest labelled rows: {parts}{moved}"


def _idle(state: PlannerState, settings: ModelSettings) -> str:
    if settings.triggers.regret is None or not state.regret.files:
        return "nothing to do: no drift, no drop, nothing due"
    wanted = regret.price(state.regret, settings.triggers, False)
    return f"nothing to do: a fresh model would have saved {state.regret.sum:.4f}, a retrain costs {wanted:.4f}"


def _hindered(observation: Observation) -> str | None:
    cycle = observation.open_cycle
    if cycle is not None:
        if cycle.state is CycleState.AWAITING_APPROVAL:
            return f"cycle {cycle.id} waits for approval: driftd approve {cycle.id}"
        if cycle.state is CycleState.ON_TRIAL:
            return f"{cycle.version} of cycle {cycle.id} is on trial"
        return f"cycle {cycle.id} is under way"
    if observation.paused:
        return "paused by hand; `driftd resume` goes on"
    if observation.backlog:
        return backlog_told(observation.backlog)
    return None


def _first(state: PlannerState, observation: Observation, now: float, settings: ModelSettings) -> Plan:
    triggers, rows = settings.triggers, observation.labelled_rows
    if rows < triggers.first_rows:
        return state, Action("wait", f"the first model needs {triggers.first_rows:,} labelled rows; there are {rows:,}")
    if settings.task == "classification":
        lacking = _lacking_classes(observation.class_rows, triggers.first_class_rows)
        if lacking:
            return state, Action("wait", lacking)
    same = not observation.new_labelled_rows and state.configured == _digest(settings)
    if state.last_opened_at is not None and same:
        return state, Action(
            "wait",
            "the last cycle gave no first model (`driftd history` says why); waiting for new labelled rows, another "
            "configuration, or `driftd retrain`",
        )
    trigger = Trigger("first_model", f"{rows:,} labelled rows are there for a first model", {"rows": rows})
    return _cooled(state, observation, now, settings, trigger)


def _rebuild(state: PlannerState, observation: Observation, now: float, settings: ModelSettings) -> Plan:
    """A champion that cannot be loaded is made anew from the stored rows: once, and again when there are new ones."""
    why, champion = observation.unloadable, observation.champion
    assert champion is not None
    if state.rebuilt == _rebuilding(observation) and not observation.new_labelled_rows:
        return state, Action("wait", f"{why}; its retraining gave no version: it waits for new labelled rows")
    reason = f"{champion.version} cannot be served here and is made anew from its stored rows: {why}"
    return _cooled(state, observation, now, settings, Trigger("environment", reason, {"version": champion.newest}))


def _rebuilding(observation: Observation) -> str:
    assert observation.champion is not None
    return f"{observation.champion.newest}: {observation.unloadable}"


def _reshape(
    state: PlannerState, observation: Observation, changed: Changed, now: float, settings: ModelSettings
) -> Plan | None:
    """A changed schema gets a model of its own once enough labelled rows were read by it, and again with new ones. None
    where the champion may be judged and replaced as ever meanwhile."""
    told, triggers = "; ".join(changed.told), settings.triggers
    lacking = ""
    if changed.labelled_rows < triggers.first_rows:
        lacking = f"{triggers.first_rows:,} labelled rows; there are {changed.labelled_rows:,}"
    elif settings.task == "classification":
        lacking = (_lacking_classes(changed.class_rows, triggers.first_class_rows) or "").partition("needs ")[2]
    done = bool(changed.digest) and state.reshaped == changed.digest and not observation.new_labelled_rows
    if not lacking and not done:
        reason = f"the configuration changed: {told}; {changed.labelled_rows:,} labelled rows were read by it"
        evidence = {"changes": list(changed.told), "schema": changed.digest, "rows": changed.labelled_rows}
        return _cooled(state, observation, now, settings, Trigger("schema", reason, evidence))
    if changed.comparable:
        return None
    needs = f"a model for it needs {lacking}" if lacking else "its retraining gave no version: it waits for new rows"
    return state, Action("wait", f"the configuration changed: {told}; {needs}")


def _lacking_classes(classes: dict[str, int], needed: int) -> str | None:
    if len(classes) < 2:
        only = f"all labels are {next(iter(classes))!r}" if classes else "there are no labels"
        return f"the first model needs two classes of {needed} rows; {only}"
    few = {name: rows for name, rows in sorted(classes.items()) if rows < needed}
    if len(classes) - len(few) < 2:
        told = ", ".join(f"{name!r} has {rows}" for name, rows in list(few.items())[:TOLD_COLUMNS])
        return f"the first model needs two classes of {needed} rows; {told}"
    return None


def _trigger(state: PlannerState, observation: Observation, now: float, triggers: TriggerSettings) -> Trigger | None:
    """The strongest reason to retrain: a gain that was measured, a drop, drift that may not matter, then clocks."""
    paying = _by_regret(state, observation, triggers)
    if paying is not None:
        return paying
    dropped = [e for e in observation.evidence if e.performance_dropped]
    if dropped and triggers.on_performance:
        return _performance(dropped[-1])
    drifted = [e for e in observation.evidence if e.drift]
    if drifted and triggers.on_drift:
        return _drift(drifted)
    if observation.due:
        return Trigger("schedule", "the retrain schedule is due", {"due": len(observation.due)})
    return _by_age(observation, now, triggers) or _by_rows(state, observation, triggers)


def _by_regret(state: PlannerState, observation: Observation, triggers: TriggerSettings) -> Trigger | None:
    """A retrain that pays: what a fresh model would have saved exceeds the price, and the budget allows it."""
    found = state.regret
    if triggers.regret is None or not found.files or not regret.affordable(found):
        return None
    wanted = regret.price(found, triggers, observation.drifting)
    if found.sum <= wanted:
        return None
    files = "" if found.since is None else f" since file {found.since}"
    drift = "; drift lowered the price" if observation.drifting else ""
    reason = f"a fresh model would have saved {found.sum:.4f}{files}, a retrain costs {wanted:.4f}{drift}"
    evidence = {
        "regret": found.sum, "price": wanted, "since": found.since, "credit": found.credit, "loss": found.loss,
        "penalty": found.penalty, "handicap": found.handicap, "drifting": observation.drifting, "twin": found.twin,
    }  # fmt: skip
    return Trigger("regret", reason, evidence)


def _performance(evidence: CheckResult) -> Trigger:
    rise = evidence.rise
    if rise is not None:
        where = f"row {rise.row} of check {evidence.check}"
        reason = f"{rise.detector} saw the error rise from {rise.before:.4g} to {rise.after:.4g} ({where})"
        told = {"check": evidence.check, "drop": evidence.drop, "detector": rise.detector, "row": rise.row}
        return Trigger("performance", reason, told)
    drop = "" if evidence.drop is None else f" by {evidence.drop:.4f}"
    reason = f"{evidence.metric or 'the metric'} fell{drop} below its evaluation (check {evidence.check})"
    return Trigger("performance", reason, {"check": evidence.check, "drop": evidence.drop})


def _drift(evidence: list[CheckResult]) -> Trigger:
    names = list(dict.fromkeys(name for one in evidence for name in one.drifted))
    shown = ", ".join(names[:TOLD_COLUMNS])
    more = len(names) - TOLD_COLUMNS
    told = shown if more <= 0 else f"{shown} and {more} more"
    checks = [one.check for one in evidence]
    where = f"check {checks[0]}" if len(checks) == 1 else f"checks {checks[0]} to {checks[-1]}"
    return Trigger("drift", f"{told} drifted ({where})", {"checks": checks, "columns": names})


def _by_age(observation: Observation, now: float, triggers: TriggerSettings) -> Trigger | None:
    assert observation.champion is not None
    age_s = now - observation.champion.promoted_at
    if triggers.max_age is None or age_s < triggers.max_age:
        return None
    days = f"{age_s / 86400:.1f} days old; at most {triggers.max_age / 86400:.1f}"
    return Trigger("age", f"{observation.champion.version} is {days}", {"age_s": age_s})


def _by_rows(state: PlannerState, observation: Observation, triggers: TriggerSettings) -> Trigger | None:
    assert observation.champion is not None
    new = observation.new_labelled_rows
    if triggers.new_rows is not None and new >= triggers.new_rows:
        reason = f"{new:,} new labelled rows; {triggers.new_rows:,} ask for a retrain"
        return Trigger("new_data", reason, {"new_rows": new})
    known = observation.champion.known_rows
    if triggers.growth is None or not new or not known or not regret.affordable(state.regret):
        return None
    growth = observation.labelled_rows / known
    if growth < triggers.growth:
        return None
    reason = (
        f"there are {growth:.1f} times the {known:,} labelled rows that there were for {observation.champion.newest}"
    )
    return Trigger("growth", reason, {"growth": round(growth, 3), "new_rows": new})


def _lacks_rows(trigger: Trigger, observation: Observation, triggers: TriggerSettings) -> str:
    needed, new = triggers.min_new_rows, observation.new_labelled_rows
    rows = "1 new labelled row" if needed == 1 else f"{needed:,} new labelled rows"
    return f"{trigger.reason}; a retrain waits for {rows}, there are {new:,}"


def _cooled(
    state: PlannerState, observation: Observation, now: float, settings: ModelSettings, trigger: Trigger
) -> Plan:
    if state.last_opened_at is not None:
        state = replace(state, last_opened_at=min(state.last_opened_at, now))  # the clock may have been set back
        assert state.last_opened_at is not None
        ready_at = state.last_opened_at + settings.triggers.cooldown
        if now < ready_at:
            reason = f"{trigger.reason}; the cool-down of {settings.triggers.cooldown:g} s is not over"
            return state, Action("wait", reason, until=ready_at)
    return _act(state, observation, now, settings, trigger)


def _act(state: PlannerState, observation: Observation, now: float, settings: ModelSettings, trigger: Trigger) -> Plan:
    checks = [evidence.check for evidence in observation.evidence]
    window = regret.window_choice(state.regret)
    twin = state.regret.twin
    trigger = replace(trigger, evidence={**trigger.evidence, "window": window, "twin": twin})
    after = replace(
        state,
        handled_check=max([state.handled_check, *checks]),
        seen_seq=observation.newest_seq,
        last_opened_at=now,
        regret=_spent(state, trigger),
        rebuilt=_rebuilding(observation) if trigger.kind == "environment" else state.rebuilt,
        reshaped=str(trigger.evidence["schema"]) if trigger.kind == "schema" else state.reshaped,
        configured=_digest(settings),
    )
    if settings.mode == "observe" and trigger.kind != "manual":
        reason = f"{trigger.reason}; mode observe changes nothing"
        return after, Action("observe", reason, trigger)
    return replace(after, next_number=state.next_number + 1), Action("open", trigger.reason, trigger)


def _digest(settings: ModelSettings) -> str:
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]


def _spent(state: PlannerState, trigger: Trigger) -> Regret:
    """The budget after a retrain that nobody ordered; what it was for begins anew."""
    found = replace(state.regret, sum=0.0, since=None, span=0)
    if trigger.kind in ("first_model", "manual", "schedule", "environment", "schema"):
        return found
    return replace(found, credit=found.credit - 1, retrains=found.retrains + 1)


def _forget_quiet_checks(state: PlannerState, observation: Observation, triggers: TriggerSettings) -> PlannerState:
    """Checks that ask for nothing need not be looked at again, up to the first that does."""
    handled = state.handled_check
    for evidence in observation.evidence:
        if (evidence.drift and triggers.on_drift) or (evidence.performance_dropped and triggers.on_performance):
            break
        handled = max(handled, evidence.check)
    return replace(state, handled_check=handled)


def _due_at(observation: Observation, settings: ModelSettings) -> float | None:
    """When age alone would ask for a retrain."""
    if observation.champion is None or settings.triggers.max_age is None:
        return None
    return observation.champion.promoted_at + settings.triggers.max_age
