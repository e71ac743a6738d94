"""The cycle's state machine: what a stage's outcome makes of it. Pure; the caller commits the answer, then acts."""

from dataclasses import replace
from typing import assert_never

from retrain.records.cycle import Cycle, CycleState, Stage
from retrain.records.outcome import Outcome

NEXT = {Stage.PREPARE: Stage.TRAIN, Stage.TRAIN: Stage.EVALUATE, Stage.EVALUATE: Stage.PROMOTE}


def advance(
    cycle: Cycle,
    outcome: Outcome,
    now: float,
    max_attempts: int,
    retry_after: float,
    mode: str,
    needs_trial: bool = False,
    is_candidate: bool = False,
) -> Cycle:
    """The cycle after its current stage came to `outcome`.

    A retry waits `retry_after` seconds, twice as long each time; the attempt after `max_attempts` fails the
    cycle, which leaves the champion serving, and so does the same error twice that the stage's own code raised. In mode
    "approve" a challenger that passed the gate waits.
    A candidate is kept when it is published: another system serves the model.
    With `needs_trial` a proven version goes on trial beside the champion, and is promoted by what is seen of it."""
    match outcome.kind:
        case "ok":
            return _forward(cycle, outcome, mode, needs_trial, is_candidate)
        case "kept":
            return replace(cycle, state=CycleState.KEPT, reason=outcome.reason)
        case "retry" if outcome.raised and cycle.attempt and cycle.reason == outcome.reason:
            again = f"mend the cause, then `driftd retrain {cycle.model}`"
            reason = f"{cycle.stage} failed twice alike and is not tried a third time: {outcome.reason}; {again}"
            return replace(cycle, state=CycleState.FAILED, reason=reason)
        case "retry" if cycle.attempt + 1 < max_attempts:
            wait_s = retry_after * 2**cycle.attempt
            return replace(cycle, attempt=cycle.attempt + 1, not_before=now + wait_s, reason=outcome.reason)
        case "retry" | "terminal":
            return replace(cycle, state=CycleState.FAILED, reason=f"{cycle.stage} failed: {outcome.reason}")
        case _:
            assert_never(outcome.kind)


def approve(cycle: Cycle) -> Cycle:
    """The waiting cycle after a person's yes."""
    return replace(cycle, state=CycleState.OPEN, stage=Stage.PROMOTE, attempt=0)


def after_trial(cycle: Cycle, promoted: bool, reason: str) -> Cycle:
    """The cycle on trial after its challenger was promoted, or dropped and the champion kept."""
    if promoted:
        return replace(cycle, state=CycleState.PROMOTED, reason=f"{cycle.reason}; {reason}" if cycle.reason else reason)
    return replace(cycle, state=CycleState.KEPT, reason=reason)


def _forward(cycle: Cycle, outcome: Outcome, mode: str, needs_trial: bool, is_candidate: bool) -> Cycle:
    if cycle.stage is Stage.PROMOTE:
        if is_candidate:
            return replace(cycle, state=CycleState.KEPT, not_before=0.0, reason=outcome.reason or cycle.reason)
        state = CycleState.ON_TRIAL if needs_trial else CycleState.PROMOTED
        return replace(cycle, state=state, not_before=0.0, reason=outcome.reason or cycle.reason)
    waits = cycle.stage is Stage.EVALUATE and mode == "approve"
    return replace(
        cycle,
        state=CycleState.AWAITING_APPROVAL if waits else CycleState.OPEN,
        stage=Stage.PROMOTE if cycle.trigger.kind == "reference" else NEXT[cycle.stage],
        attempt=0,
        not_before=0.0,
        reason=outcome.reason,
    )
