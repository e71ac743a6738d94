"""What next for a model that another system serves: a reference of what it predicts, and where that is asked for,
challengers that nobody serves. Pure."""

import math
from dataclasses import replace

from drift.notation import counted
from retrain.planning import opening, triggers
from retrain.planning.required import MORE_ROWS, lacking_classes
from retrain.records.action import Idle, Wait
from retrain.records.observation import Observation
from retrain.records.planner_state import PlannerState
from retrain.records.settings import ModelSettings
from retrain.records.trigger import Trigger

WATCHED = "nothing to do: another system serves the model, and its files are watched"
RELABELLED = 2
"""Times the labels that there were when a reference was last made because of them, for another try."""


def plan(state: PlannerState, observation: Observation, now: float, settings: ModelSettings) -> opening.Plan:
    """The next action, and the state to commit with it: a reference first; then challengers, if any are wanted."""
    why = _reference(state, observation, settings)
    if why:
        return _make(state, observation, now, settings, why)
    if not settings.challengers:
        return state, Idle(WATCHED)
    if observation.manual:
        return opening.open_cycle(state, observation, now, settings, Trigger("manual", "asked for by hand"))
    lacking = _lacking(observation, settings)
    if lacking:
        return state, Wait(lacking)
    trigger = _first(state, observation) or triggers.strongest(state, observation, now, settings)
    if trigger is None:
        return state, Idle(WATCHED)
    if trigger.kind != "first_model" and observation.new_labelled_rows < settings.triggers.min_new_rows:
        needed, new = settings.triggers.min_new_rows, observation.new_labelled_rows
        reason = f"{trigger.reason}; a challenger waits for {counted(needed, 'new labelled row')}"
        return state, Wait(f"{reason} (triggers.min_new_rows), there are {new:,}")
    return opening.after_cooldown(state, observation, now, settings, trigger)


def _reference(state: PlannerState, observation: Observation, settings: ModelSettings) -> str:
    """Why a reference is to be made; "" where the one that is there holds."""
    seen = observation.elsewhere
    if seen.asked:
        return "a new reference was asked for by hand"
    if observation.champion is None:
        return "what the other system predicts is recorded"
    if observation.unloadable:
        return f"{observation.champion.newest} cannot be the reference: {observation.unloadable}"
    if observation.changed is not None and observation.changed.digest:
        return f"the configuration changed: {'; '.join(observation.changed.sentences)}"
    if seen.why_new:
        return seen.why_new
    if seen.version is not None and seen.version != seen.before:
        return f"the other system serves {seen.version} now" + (f", {seen.before} before" if seen.before else "")
    labelled, needed = observation.labelled_rows, settings.triggers.first_rows
    if not observation.champion.known_rows and labelled >= max(needed, RELABELLED * state.relabelled):
        return f"{counted(labelled, 'labelled row', 'are')} there, and the reference had none"
    return ""


def _make(state: PlannerState, observation: Observation, now: float, settings: ModelSettings, why: str) -> opening.Plan:
    seen, needed = observation.elsewhere, settings.triggers.first_rows
    if seen.rows < needed:
        return state, Wait(f"{why}; a reference needs {needed:,} rows (triggers.first_rows), there are {seen.rows:,}")
    digest = opening.settings_digest(settings)
    tried = state.last_opened_at is not None and observation.newest_seq <= state.seen_seq
    if observation.unloadable and tried and not seen.asked and state.configured == digest:
        return state, Wait(f"{why}; the last cycle gave no reference (`driftd history` says why)")
    if observation.champion is None and tried and not seen.asked and state.configured == digest:
        reason = "the last cycle gave no reference (`driftd history` says why); waiting for new files, another"
        return state, Wait(f"{reason} configuration, or `driftd renew`")
    if not seen.asked and observation.champion is not None and not observation.champion.known_rows:
        state = replace(state, relabelled=max(state.relabelled, observation.labelled_rows))
    evidence = {"from_seq": seen.from_seq, "to_seq": seen.to_seq, "rows": seen.rows, "served_version": seen.version}
    return opening.open_cycle(state, observation, now, settings, Trigger("reference", why, evidence))


def _lacking(observation: Observation, settings: ModelSettings) -> str:
    """Why no challenger can be trained; "" where one can."""
    needed, rows = settings.triggers.first_rows, observation.labelled_rows
    if rows < needed:
        return f"the first challenger needs {needed:,} labelled rows (triggers.first_rows); there are {rows:,}"
    if settings.task == "classification" and observation.class_rows:
        return lacking_classes(observation.class_rows, settings.triggers.first_class_rows) or ""
    return ""


def _first(state: PlannerState, observation: Observation) -> Trigger | None:
    """To know how what is served does beside a challenger, before anything went wrong."""
    rows = observation.labelled_rows
    if state.judged_cycle or rows < math.ceil((1 + MORE_ROWS) * state.tried_rows):
        return None
    return Trigger(
        "first_model", f"{counted(rows, 'labelled row', 'are')} there for a first challenger", {"rows": rows}
    )
