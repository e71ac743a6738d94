"""Cycles that are opened because the wanted model is not there: none yet, one that is to be adopted, one that cannot
be loaded here, or one of another schema. Pure."""

import math

from drift.notation import counted
from retrain.planning import opening
from retrain.records.action import Wait
from retrain.records.observation import Adoption, Observation
from retrain.records.planner_state import PlannerState
from retrain.records.schema_change import PreparationChange, SchemaChange
from retrain.records.settings import ModelSettings
from retrain.records.trigger import Trigger

MOST_CLASSES = 5
"""Named in a sentence."""
HELD_OUT_OF = 5
"""Of so many rows one is held out, see `retrain.rows.held_out`."""
MORE_ROWS = 0.2
"""New rows after a try at a first model, as a share of those that there were: with hardly more, chance alone would be
tried again."""


def first_model(state: PlannerState, observation: Observation, now: float, settings: ModelSettings) -> opening.Plan:
    triggers, rows = settings.triggers, observation.labelled_rows
    if rows < triggers.first_rows:
        return state, Wait(
            f"the first model needs {triggers.first_rows:,} {settings.row}s (triggers.first_rows); there are {rows:,}"
        )
    if settings.task == "classification":
        lacking = lacking_classes(observation.class_rows, triggers.first_class_rows)
        if lacking:
            return state, Wait(lacking)
    same = not observation.new_labelled_rows and state.configured == opening.settings_digest(settings)
    if state.last_opened_at is not None and same:
        return state, Wait(
            f"the last cycle gave no first model (`driftd history` says why); waiting for new {settings.row}s, another "
            "configuration, or `driftd retrain`",
        )
    new, needed = observation.new_labelled_rows, math.ceil(MORE_ROWS * state.tried_rows)
    if new < needed and state.configured == opening.settings_digest(settings):
        more = f"it is tried again with {counted(needed, f'new {settings.row}')}, there are {new:,}"
        return state, Wait(f"the last cycle gave no first model (`driftd history` says why); {more}")
    trigger = Trigger("first_model", f"{counted(rows, settings.row, 'are')} there for a first model", {"rows": rows})
    return opening.after_cooldown(state, observation, now, settings, trigger)


def adopt(
    state: PlannerState, observation: Observation, adoption: Adoption, now: float, settings: ModelSettings
) -> opening.Plan:
    """A pipeline is adopted once there are rows to say what it is like: a fifth of these is held out."""
    about, needed = adoption.about, rows_to_adopt(settings)
    file = f"{about['file']} (sha256 {about['digest'][:12]})"
    rows = about.get("rows") or observation.labelled_rows
    if rows < needed:
        lacking = f"its probe rows, reference and evaluation need {needed:,} {settings.row}s; there are {rows:,}"
        return state, Wait(f"{file} is to be adopted; {lacking}")
    trigger = Trigger("adopt", f"adopted from {file}", dict(about))
    return opening.open_cycle(state, observation, now, settings, trigger)


def rows_to_adopt(settings: ModelSettings) -> int:
    """So many labelled rows a pipeline needs to be adopted."""
    return HELD_OUT_OF * settings.window.holdout_min_rows


def rebuild(state: PlannerState, observation: Observation, now: float, settings: ModelSettings) -> opening.Plan:
    """A champion that cannot be loaded is made anew from the stored rows: once, and again when there are new ones."""
    why, champion = observation.unloadable, observation.champion
    assert champion is not None
    if state.rebuilt == opening.rebuilt_mark(observation) and not observation.new_labelled_rows:
        return state, Wait(f"{why}; its retraining gave no version: it waits for new {settings.row}s")
    reason = f"{champion.described} cannot be served here and is made anew from its stored rows: {why}"
    return opening.after_cooldown(
        state, observation, now, settings, Trigger("environment", reason, {"version": champion.newest})
    )


def reshape(
    state: PlannerState, observation: Observation, changed: SchemaChange, now: float, settings: ModelSettings
) -> opening.Plan | None:
    """A changed schema gets a model of its own once enough labelled rows were read by it, and again with new ones. None
    where the champion may be judged and replaced as ever meanwhile."""
    differences, triggers = "; ".join(changed.sentences), settings.triggers
    lacking = ""
    if changed.labelled_rows < triggers.first_rows:
        lacking = f"{triggers.first_rows:,} {settings.row}s (triggers.first_rows); there are {changed.labelled_rows:,}"
    elif settings.task == "classification":
        lacking = (lacking_classes(changed.class_rows, triggers.first_class_rows) or "").partition("needs ")[2]
    done = bool(changed.digest) and state.reshaped == changed.digest and not observation.new_labelled_rows
    if not lacking and not done:
        read = f"{counted(changed.labelled_rows, settings.row, 'were')} read by it"
        reason = f"the configuration changed: {differences}; {read}"
        evidence = {"changes": list(changed.sentences), "schema": changed.digest, "rows": changed.labelled_rows}
        return opening.after_cooldown(state, observation, now, settings, Trigger("schema", reason, evidence))
    if changed.comparable:
        return None
    needs = f"a model for it needs {lacking}" if lacking else "its retraining gave no version: it waits for new rows"
    return state, Wait(f"the configuration changed: {differences}; {needs}")


def prepare_anew(
    state: PlannerState, observation: Observation, change: PreparationChange, now: float, settings: ModelSettings
) -> opening.Plan | None:
    """A changed preparation gets a version of its own, of the rows that are there: once, and again with new ones, but
    not against a person who went back. None where that was tried; the champion goes on with its own preparation."""
    by_hand = observation.champion is not None and observation.champion.fixed
    if state.prepared == change.digest and (by_hand or not observation.new_labelled_rows):
        return None
    trigger = Trigger("prepare", change.reason, {"preparation": change.digest})
    return opening.after_cooldown(state, observation, now, settings, trigger)


def lacking_classes(classes: dict[str, int], needed: int) -> str | None:
    if len(classes) < 2:
        only = f"all labels are {next(iter(classes))!r}" if classes else "there are no labels"
        return f"the first model needs two classes of {needed} rows (triggers.first_class_rows); {only}"
    few = {name: rows for name, rows in sorted(classes.items()) if rows < needed}
    if len(classes) - len(few) < 2:
        counts = ", ".join(f"{name!r} has {rows}" for name, rows in list(few.items())[:MOST_CLASSES])
        return f"the first model needs two classes of {needed} rows (triggers.first_class_rows); {counts}"
    return None
