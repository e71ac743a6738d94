"""Opening a cycle: the cool-down, the mode, and what the state remembers of it. Pure."""

import hashlib
from dataclasses import replace
from typing import assert_never

from retrain.planning import regret
from retrain.records.action import Action, ObserveOnly, OpenCycle, Wait
from retrain.records.observation import Observation
from retrain.records.planner_state import PlannerState, Regret
from retrain.records.settings import ModelSettings, TriggerSettings
from retrain.records.trigger import Trigger

Plan = tuple[PlannerState, Action]
"""The state to commit with the action."""


def after_cooldown(
    state: PlannerState, observation: Observation, now: float, settings: ModelSettings, trigger: Trigger
) -> Plan:
    if state.last_opened_at is not None:
        state = replace(state, last_opened_at=min(state.last_opened_at, now))  # the clock may have been set back
        assert state.last_opened_at is not None
        ready_at = state.last_opened_at + settings.triggers.cooldown
        if now < ready_at:
            reason = (
                f"{trigger.reason}; the cool-down of {settings.triggers.cooldown:g} s (triggers.cooldown) is not over"
            )
            return state, Wait(reason, ready_at)
    return open_cycle(state, observation, now, settings, trigger)


def open_cycle(
    state: PlannerState, observation: Observation, now: float, settings: ModelSettings, trigger: Trigger
) -> Plan:
    checks = [evidence.check for evidence in observation.evidence]
    window = regret.window_choice(state.regret)
    twin = state.regret.twin
    spent = _spent(state, trigger, settings.triggers)
    is_challenger = settings.is_elsewhere and trigger.kind != "reference"  # whose reference stays
    growing = observation.labelled_rows if trigger.kind == "growth" or is_challenger else 0
    trigger = replace(trigger, evidence={**trigger.evidence, "window": window, "twin": twin})
    after = replace(
        state,
        handled_check=max([state.handled_check, *checks]),
        seen_seq=observation.newest_seq,
        last_opened_at=now,
        regret=spent,
        base=spent,
        base_seq=newest_assessed(state, observation),
        rebuilt=rebuilt_mark(observation) if trigger.kind == "environment" else state.rebuilt,
        reshaped=str(trigger.evidence["schema"]) if trigger.kind == "schema" else state.reshaped,
        prepared=str(trigger.evidence["preparation"]) if trigger.kind == "prepare" else state.prepared,
        configured=settings_digest(settings),
        grown=growing if settings.task == "recommendation" and growing else state.grown,
        growing=growing,
        tried_rows=observation.labelled_rows if trigger.kind == "first_model" else state.tried_rows,
    )
    if settings.mode == "observe" and trigger.kind not in ("manual", "reference", "adopt"):
        reason = f'{trigger.reason}; mode = "observe" changes nothing'
        return after, ObserveOnly(reason, trigger)
    return replace(after, next_number=state.next_number + 1), OpenCycle(trigger)


def newest_assessed(state: PlannerState, observation: Observation) -> int:
    """The newest file whose evidence is spent when what it asked for is done."""
    return max([state.base_seq, *(one.seq for one in observation.assessments)])


def _spent(state: PlannerState, trigger: Trigger, triggers: TriggerSettings) -> Regret:
    """The budget, if there is one, after a retrain that nobody ordered; what it was for begins anew."""
    anew = regret.emptied(state.regret)
    match trigger.kind:
        case "first_model" | "manual" | "adopt" | "schedule" | "environment" | "schema" | "prepare" | "reference":
            return anew
        case "regret" | "drift" | "performance" | "age" | "new_data" | "growth":
            cost = 0.0 if triggers.retrains is None else 1.0
            return replace(anew, credit=anew.credit - cost, retrains=anew.retrains + 1)
        case _:
            assert_never(trigger.kind)


def rebuilt_mark(observation: Observation) -> str:
    assert observation.champion is not None
    return f"{observation.champion.newest}: {observation.unloadable}"


def settings_digest(settings: ModelSettings) -> str:
    teaching = settings.model_dump_json(exclude={"on_promotion", "on_promotion_timeout", "source"})
    return hashlib.sha256(teaching.encode()).hexdigest()[:16]
