"""Is there a reason to retrain a champion that works? The strongest one. Pure."""

from dataclasses import asdict

from drift.notation import amount, counted, number
from retrain.planning import regret
from retrain.planning.savings import saved_against_price
from retrain.records.finished_check import FinishedCheck
from retrain.records.observation import Observation
from retrain.records.planner_state import PlannerState
from retrain.records.settings import ModelSettings, TriggerSettings
from retrain.records.trigger import Trigger

MOST_COLUMNS = 5
"""Named in a sentence."""


def strongest(state: PlannerState, observation: Observation, now: float, settings: ModelSettings) -> Trigger | None:
    """The strongest reason to retrain: a gain that was measured, a drop, drift that may not matter, then clocks."""
    triggers = settings.triggers
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
        return Trigger("schedule", "the retrain schedule is due (retrain_schedule)", {"due": len(observation.due)})
    return _by_age(observation, now, triggers) or _by_rows(state, observation, settings)


def _by_regret(state: PlannerState, observation: Observation, triggers: TriggerSettings) -> Trigger | None:
    """A retrain that pays: what a fresh model would have saved exceeds the price, and the budget allows it."""
    current = state.regret
    if triggers.regret is None or not current.files or not regret.affordable(current):
        return None
    wanted = regret.price(current, triggers, observation.drifting)
    if current.sum <= wanted.total:
        return None
    evidence = {
        "regret": current.sum, "metric": current.metric, "price": wanted.total, "price_factors": asdict(wanted),
        "since": current.since, "files": current.span, "gains": [asdict(gain) for gain in current.gains],
        "credit": current.credit, "loss": current.loss, "penalty": current.penalty, "handicap": current.handicap,
        "drifting": observation.drifting, "twin": current.twin,
    }  # fmt: skip
    return Trigger("regret", saved_against_price(current, wanted), evidence)


def _performance(evidence: FinishedCheck) -> Trigger:
    rise = evidence.rise
    if rise is not None:
        where = f"row {rise.row} of check {evidence.check}"
        reason = f"{rise.detector} saw the mean error rise from {number(rise.before)} to {number(rise.after)} ({where})"
        numbers = {"check": evidence.check, "drop": evidence.drop, "detector": rise.detector, "row": rise.row}
        return Trigger("performance", reason, numbers)
    drop = "" if evidence.drop is None else f" by {amount(evidence.drop)}"
    reason = f"{evidence.metric or 'the metric'} fell{drop} below what it was before (check {evidence.check})"
    return Trigger("performance", reason, {"check": evidence.check, "drop": evidence.drop})


def _drift(evidence: list[FinishedCheck]) -> Trigger:
    names = list(dict.fromkeys(name for one in evidence for name in one.drifted))
    shown = ", ".join(names[:MOST_COLUMNS])
    more = len(names) - MOST_COLUMNS
    columns = shown if more <= 0 else f"{shown} and {more} more"
    checks = [one.check for one in evidence]
    where = f"check {checks[0]}" if len(checks) == 1 else f"checks {checks[0]} to {checks[-1]}"
    return Trigger("drift", f"{columns} drifted ({where})", {"checks": checks, "columns": names})


def _by_age(observation: Observation, now: float, triggers: TriggerSettings) -> Trigger | None:
    assert observation.champion is not None
    age_s = now - observation.champion.promoted_at
    if triggers.max_age is None or age_s < triggers.max_age:
        return None
    days = f"{age_s / 86400:.1f} days old; at most {triggers.max_age / 86400:.1f} (triggers.max_age)"
    return Trigger("age", f"{observation.champion.described} is {days}", {"age_s": age_s})


def _by_rows(state: PlannerState, observation: Observation, settings: ModelSettings) -> Trigger | None:
    assert observation.champion is not None
    triggers = settings.triggers
    new = observation.new_labelled_rows
    if triggers.new_rows is not None and new >= triggers.new_rows:
        reason = f"{counted(new, f'new {settings.row}')}; {triggers.new_rows:,} ask for a retrain (triggers.new_rows)"
        return Trigger("new_data", reason, {"new_rows": new})
    trained = observation.champion.known_rows
    known = max(trained, state.grown)
    if triggers.growth is None or not new or not known or not regret.affordable(state.regret):
        return None
    growth = observation.labelled_rows / known
    if growth < triggers.growth:
        return None
    since = f"for {observation.champion.newest}" if known == trained else "when that was last tried"
    reason = (
        f"there are {observation.labelled_rows:,} {settings.row}s, {growth:.1f} times the {known:,} that there were "
        f"{since}; triggers.growth is {triggers.growth:g}"
    )
    return Trigger("growth", reason, {"growth": round(growth, 3), "new_rows": new})
