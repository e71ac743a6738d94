"""What next? One pure function from what is known of a model to the next action, with its reason in words.

It reads the state of things, not events: asked twice with the same arguments it answers the same, and what was
missed while the service was down is seen at the next question. The clock is an argument (Unix seconds). The daemon and
the replay of history ask the same function."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from drift.notation import counted
from retrain.planning import elsewhere, opening, probation, regret, required, triggers
from retrain.planning.opening import Plan
from retrain.planning.proposal_words import proposal_reason
from retrain.planning.savings import saved_against_price
from retrain.records.action import Adjust, Idle, RollBack, Wait
from retrain.records.cycle import CycleState
from retrain.records.deployment import Champion
from retrain.records.observation import Observation
from retrain.records.planner_state import PlannerState, Probation
from retrain.records.settings import ModelSettings, TriggerSettings
from retrain.records.trigger import Trigger

STILL = "still to be taken in"
FEWEST_FILES, FILES_Z = 4, 3.0
"""Labelled files, and standard errors of the mean over files, by which adjustments must have cost more to be undone."""
HARM_Z = 2.0
"""Standard errors by which an adjustment must be worse than what is served to be left."""
CHOSEN_Z = 1.0
"""So many more where the newest version was chosen by the same rows: challengers that looked better at all looked so by
.9 too much in the mean."""
LEAST_CHANGE = 0.01
"""Of a member's weight, from which on a deployment is worth recording."""


def plan(state: PlannerState, observation: Observation, now: float, settings: ModelSettings) -> Plan:
    """The next action, and the state to commit with it."""
    state = _learn(_forget_quiet_checks(state, observation, settings.triggers), observation, now, settings)
    hindered = _hindered(observation)
    if hindered is not None:
        return state, Wait(hindered)
    if settings.is_elsewhere:
        return elsewhere.plan(state, observation, now, settings)
    if observation.adoption is not None:
        return required.adopt(state, observation, observation.adoption, now, settings)
    if observation.manual:
        return opening.open_cycle(state, observation, now, settings, Trigger("manual", "asked for by hand"))
    if observation.champion is None:
        return required.first_model(state, observation, now, settings)
    if observation.unloadable:
        return required.rebuild(state, observation, now, settings)
    if observation.changed is not None:
        reshaped = required.reshape(state, observation, observation.changed, now, settings)
        if reshaped is not None:
            return reshaped
    if observation.preparation is not None:
        prepared = required.prepare_anew(state, observation, observation.preparation, now, settings)
        if prepared is not None:
            return prepared
    undone = probation.verdict(state.probation, observation.champion, settings)
    if undone is not None:
        evidence = tuple(asdict(part) for part in state.probation.parts)
        emptied = regret.emptied(state.regret)
        state = replace(
            state, regret=emptied, base=emptied, base_seq=opening.newest_assessed(state, observation),
            probation=probation.ended(state.probation),
        )  # fmt: skip
        return state, RollBack(undone, evidence)
    state = replace(state, probation=probation.after_look(state.probation, settings.probation.files))
    if settings.task == "recommendation":  # its blend is live: it follows each file, also one that asks for a retrain
        adjusted = _adjust(state, observation, settings)
        if isinstance(adjusted[1], Adjust):
            return adjusted
        state = adjusted[0]
    trigger = triggers.strongest(state, observation, now, settings)
    if trigger is None:
        return _adjust(state, observation, settings)
    if observation.new_labelled_rows < settings.triggers.min_new_rows:
        return state, Wait(_lacks_rows(trigger, observation, settings))
    return opening.after_cooldown(state, observation, now, settings, trigger)


def backlog_reason(files: int) -> str:
    """What is waited for while files wait.

    >>> backlog_reason(1), backlog_reason(1300)
    ('1 file is still to be taken in', '1,300 files are still to be taken in')
    """
    return f"{counted(files, 'file', 'are')} {STILL}"


def _learn(state: PlannerState, observation: Observation, now: float, settings: ModelSettings) -> PlannerState:
    """With what cycles and labelled files have shown, all that holds now: labels that came late or were corrected count
    in the place of what was known before them."""
    base = regret.elapsed(state.base, now, settings.triggers)
    batches = observation.batches
    if state.batches is not None and observation.champion is not None:
        base = regret.earned(base, max(0.0, batches - state.batches), settings.triggers)
    result = observation.retrained
    if result is not None and result.cycle > state.judged_cycle:
        base = regret.retrained(base, result)
        grown = state.grown if result.promoted else max(state.grown, state.growing)
        state = replace(state, judged_cycle=result.cycle, grown=grown)
    state = replace(state, base=base, batches=batches, **_watching(state, observation, settings))
    since = [one for one in observation.assessments if one.seq > state.base_seq]
    return replace(state, regret=regret.folded(base, since))


def _watching(state: PlannerState, observation: Observation, settings: ModelSettings) -> dict[str, Any]:
    """The probation of the newest version, over the files since it was promoted, also those of before a cycle that was
    opened meanwhile."""
    version = "" if observation.champion is None else observation.champion.newest
    watch_seq = state.watch_seq if state.probation.version == version else state.base_seq
    since = [one for one in observation.assessments if one.seq > watch_seq]
    watching = probation.folded(state.probation, version, since, settings.probation.files)
    return {"probation": watching, "watch_seq": state.base_seq if probation.is_over(watching) else watch_seq}


def _adjust(state: PlannerState, observation: Observation, settings: ModelSettings) -> Plan:
    """Serve the proposed mixture and recalibration where they differ from what is served."""
    champion, proposal = observation.champion, observation.proposal
    assert champion is not None
    undone = _undo_adjustments(state, observation, settings)
    if undone is not None:
        return undone
    idle = Idle(_idle(state, observation, settings), until=_due_at(observation, settings))
    fixed = champion.fixed and settings.task != "recommendation"  # there the blend is live; the version stays
    if proposal is None or fixed or observation.proposal_id <= state.proposed:
        return state, idle
    state = replace(state, proposed=observation.proposal_id)
    if proposal["newest"] != champion.newest or settings.mode != "auto" or not _differs(proposal, champion):
        return state, idle
    if _harmful(proposal) or state.unadjusted == champion.newest:
        return state, idle
    return state, Adjust(proposal_reason(proposal, champion), proposal)


def _undo_adjustments(state: PlannerState, observation: Observation, settings: ModelSettings) -> Plan | None:
    """The newest version alone, unadjusted, where labels show beyond doubt that its adjustments harm; they stay away
    until another version is promoted. None else."""
    champion, proposal = observation.champion, observation.proposal
    assert champion is not None
    plain = (proposal or {}).get("plain")
    if settings.mode != "auto" or champion.fixed or plain is None or state.unadjusted == champion.newest:
        return None
    costs = [one for one in observation.assessments if one.newest == champion.newest and one.plain is not None]
    evidence = Probation(champion.newest, metric=costs[-1].metric if costs else "")
    for one in costs:
        assert one.plain is not None
        evidence = probation.added(evidence, one.plain)
    means = [one.plain[0] for one in costs if one.plain is not None]
    if not probation.surely_worse(evidence, settings.probation.alpha) or not _in_most_files(means):
        return None
    if not _differs(plain, champion):
        return None
    worse = probation.sure_difference(evidence, settings.probation.alpha, "probation.alpha")
    reason = f"what is served is worse than {champion.newest} alone on {evidence.rows:,} {settings.judged}s: {worse}"
    return replace(state, unadjusted=champion.newest), Adjust(reason, plain)


def _in_most_files(costs: Sequence[float]) -> bool:
    """Whether adjustments cost more from file to file, not in one that was like no other."""
    if len(costs) < FEWEST_FILES:
        return False
    mean = sum(costs) / len(costs)
    spread = math.sqrt(sum((one - mean) ** 2 for one in costs) / (len(costs) - 1) / len(costs))
    return mean > FILES_Z * spread


def _harmful(proposal: dict[str, Any]) -> bool:
    """Whether, as it would answer, it is worse than what is served on the newest labelled rows, beyond chance."""
    harm = proposal.get("harm")
    if harm is None:
        return False
    beyond = HARM_Z + (CHOSEN_Z if harm.get("chosen") else 0.0)
    return bool(harm["mean"] > beyond * harm["se"])


def _differs(proposal: dict[str, Any], champion: Champion) -> bool:
    if proposal["recalibration"] != champion.deployment.calibration:
        return True
    proposed, served = proposal["members"], champion.deployment.weights
    return any(abs(proposed.get(n, 0.0) - served.get(n, 0.0)) > LEAST_CHANGE for n in {*proposed, *served})


def _idle(state: PlannerState, observation: Observation, settings: ModelSettings) -> str:
    if settings.triggers.regret is None or not state.regret.files:
        return "nothing to do: no drift, no drop, nothing due"
    wanted = regret.price(state.regret, settings.triggers, observation.drifting)
    return f"nothing to do: {saved_against_price(state.regret, wanted)}"


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
        return backlog_reason(observation.backlog)
    return None


def _lacks_rows(trigger: Trigger, observation: Observation, settings: ModelSettings) -> str:
    needed, new = settings.triggers.min_new_rows, observation.new_labelled_rows
    rows = counted(needed, f"new {settings.row}")
    return f"{trigger.reason}; a retrain waits for {rows} (triggers.min_new_rows), there are {new:,}"


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
