"""Runs a model's cycles: asks the planner, opens what it wants, and walks the stages; intents before acts.

Every stage is committed as started before its worker is asked, and its outcome before the next one. A restart
finds the open cycle in the ledger and goes on with the stage that was under way.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, assert_never

from sqlalchemy import Connection

from daemon.cycles import trial as on_trial
from daemon.cycles.assessments import Assessing
from daemon.cycles.classes import withheld_classes
from daemon.cycles.cpu import record_spent
from daemon.cycles.elsewhere import seen_elsewhere
from daemon.cycles.loadable import unloadable
from daemon.cycles.promotion import adjust, commit_promotion, keep_candidate, roll_back
from daemon.cycles.schemas import change_since, known_schema, preparation_change, schema_of
from daemon.cycles.stages import restart_stage, stage_request
from daemon.cycles.trainers import Trainers, clear_exchange
from daemon.ledger import checks, cycles, due, labels, models, observe, promotions
from daemon.runtime.context import ModelContext
from daemon.runtime.within import within
from daemon.runtime.worker.process import WorkerError
from retrain import durable
from retrain.operations import EvaluateResult, RecordResult, Result, StageRequest, to_json
from retrain.planning import cycle as machine
from retrain.planning.planner import plan
from retrain.records.action import Action, Adjust, Idle, ObserveOnly, OpenCycle, RollBack, Wait
from retrain.records.cycle import Cycle, CycleState, Stage
from retrain.records.observation import Observation
from retrain.records.outcome import Outcome, OutcomeKind

BACKLOG_PAUSE_S = 2.0
DISK_PAUSE_S = 5.0
LOGGED_EVERY_S = 3600.0
TURN_S = 20.0
"""A turn of training after which another model may have the next; a trainer begins anew within two seconds."""
THEN = {
    True: "new files are read by it, the champion goes on with its own; a cycle opens once enough labelled rows came",
    False: "the champion answers its old question until enough labelled rows for the new one came; it is not compared",
}
UNFINISHED = (CycleState.OPEN, CycleState.AWAITING_APPROVAL, CycleState.ON_TRIAL)
ASSESS_AGAIN_S = 60.0


@dataclass
class CycleRunner:
    """One model's decisions and cycles; `run` until cancelled. `backlog` counts files still to be taken in."""

    context: ModelContext
    backlog: Callable[[], int]
    promoted: Callable[[], None]
    _logged_reason: str = ""
    _logged_changes: tuple[str, ...] = ()
    _log_again_s: float = 0.0

    def __post_init__(self) -> None:
        self._assessing = Assessing(self.context)

    async def run(self) -> None:
        """Decide whenever something changed, and work an open cycle off."""
        while True:
            self.context.decision_needed.clear()
            await self.context.shared.writable()
            await self._assessing.run()
            await self.context.shared.writable()
            cycle, action = self.decide()
            until_s = _first(action.until if isinstance(action, Wait | Idle) else None, self._assessing.next_at)
            if cycle is not None and cycle.state is CycleState.OPEN:
                await self._work_off(cycle)
                continue
            if cycle is not None and cycle.state is CycleState.ON_TRIAL:
                decision = on_trial.judge(self.context)
                if decision.kind == "promote":
                    self.promoted()
                if decision.kind != "wait":
                    continue
                until_s = _first(decision.until, self._assessing.next_at)
            if isinstance(action, Adjust | RollBack):
                self.promoted()
                continue
            await self._rest(until_s)

    def decide(self) -> tuple[Cycle | None, Action]:
        """Let the planner look at the ledger, and commit its answer with its new state."""
        context, now = self.context, self.context.now()
        with context.shared.ledger.begin(durable=True) as conn:
            read = observe.Read(models.get(conn, context.name), promotions.champion(conn, context.name))
            row, champion = read
            state, folder = models.planner_of(row), context.folders.versions
            lost, changed = (
                unloadable(folder, champion, context.settings),
                change_since(context.settings, schema_of(row), folder, champion),
            )
            withheld = withheld_classes(conn, context.name, context.settings, folder, row=row)
            seen, anew = seen_elsewhere(conn, context, champion, changed), preparation_change(context, champion)
            observation = observe.observe(
                conn, context.name, self.backlog(), state, lost, changed, withheld, seen, anew, read
            )
            spent = state.base_seq
            state, action = plan(state, observation, now, context.settings)
            cycle, deployed = observation.open_cycle, {}
            match action:
                case OpenCycle(trigger):
                    known = labels.at_opening(conn, context.name, spent)
                    trigger = replace(trigger, evidence=trigger.evidence | known)
                    number, up_to_seq = state.next_number - 1, observation.newest_seq
                    is_reference = trigger.kind == "reference"
                    up_to_seq = int(trigger.evidence["to_seq"]) if is_reference else up_to_seq
                    cycle = cycles.open_cycle(conn, context.name, trigger, number, up_to_seq, now)
                    done = observation.elsewhere.asked if is_reference else _done(observation, trigger.kind)
                    due.finish(conn, done, now)
                    labels.cycle_opened(conn, context.name)
                case ObserveOnly():
                    labels.cycle_opened(conn, context.name)
                    due.finish(conn, (*observation.due, *observation.manual), now)
                case Adjust():
                    deployed = adjust(conn, context, action)
                case RollBack():
                    deployed = roll_back(conn, context, action)
                case Wait() | Idle():
                    pass
                case _:
                    assert_never(action)
            models.save_planner(conn, context.name, state, action.reason, row)
        if isinstance(action, OpenCycle):
            durable.crash_point("control.cycle_opened")
        self._log_action(cycle, action, deployed)
        self._log_champion(observation)
        return cycle, action

    def _log_champion(self, observation: Observation) -> None:
        """Once an hour, that the champion cannot be loaded; once, that the configuration changed its schema."""
        log, champion = self.context.log, observation.champion
        if champion is not None and observation.unloadable and time.monotonic() >= self._log_again_s:
            log.error("champion_unloadable", version=champion.deployment_name, reason=observation.unloadable)
            self._log_again_s = time.monotonic() + LOGGED_EVERY_S
        changed = observation.changed
        if champion is not None and changed is not None and changed.sentences != self._logged_changes:
            then = THEN[changed.comparable]
            log.warning("schema_changed", version=champion.deployment_name, changes=changed.sentences, then=then)
        self._logged_changes = () if changed is None else changed.sentences

    def _log_action(self, cycle: Cycle | None, action: Action, deployed: dict[str, str]) -> None:
        log = self.context.log
        match action:
            case OpenCycle(trigger):
                assert cycle is not None
                log.info("cycle_opened", cycle_id=cycle.id, trigger=trigger.kind, reason=action.reason)
            case Adjust() if deployed:
                log.info("deployment_adjusted", **deployed, reason=action.reason)
            case RollBack():
                log.warning("version_rolled_back", **deployed, reason=action.reason)
            case ObserveOnly():
                log.info("cycle_not_opened", reason=action.reason)
            case Wait(until=until):
                if action.reason != self._logged_reason and cycle is None:
                    log.info("waiting_for_data" if until is None else "cycle_waiting", reason=action.reason)
            case Idle() | Adjust():
                pass
            case _:
                assert_never(action)
        self._logged_reason = action.reason

    async def _rest(self, until_s: float | None) -> None:
        """Sleep until something changed, at most until that time."""
        pause_s: float | None = LOGGED_EVERY_S if self._log_again_s else None
        if until_s is not None:
            pause_s = min(pause_s or LOGGED_EVERY_S, max(0.1, until_s - self.context.now()))
        if self.context.settings.prepare is not None:  # its file may change, of which nobody is told
            pause_s = min(pause_s or LOGGED_EVERY_S, self.context.settings.intake.rescan)
        backlog_s = BACKLOG_PAUSE_S * self.context.shared.pace
        for hindered, most_s in ((self.backlog(), backlog_s), (self._assessing.failed, ASSESS_AGAIN_S)):
            if hindered:
                pause_s = most_s if pause_s is None else min(pause_s, most_s)
        with contextlib.suppress(TimeoutError):
            await within(self.context.decision_needed.wait(), pause_s)

    # --- the stages ---------------------------------------------------------------------------------------

    async def _work_off(self, cycle: Cycle) -> None:
        """In turns, which others may have while this one waits for its next attempt."""
        await clear_exchange(self.context.shared)
        trainer = Trainers(self.context, cycle)
        try:
            while cycle.state is CycleState.OPEN:
                await asyncio.sleep(self._pause_s(cycle))
                await self._wait_for_disk(cycle)
                cycle = await self._turn(cycle, trainer)
        finally:
            await trainer.close()

    async def _turn(self, cycle: Cycle, trainer: Trainers) -> Cycle:
        """Stages, until one has to wait, or the turn was long and another model asks for it: what takes minutes holds
        others up for a stage, and what takes seconds is not torn apart. What a cluster does holds nobody up."""
        shared = self.context.shared
        if not trainer.is_here(cycle):
            return await self._stage(cycle, trainer)
        async with shared.training_turn as turn:
            begun_s = time.monotonic()
            while True:
                cycle = await self._stage(cycle, trainer)
                is_over = turn.waiting and time.monotonic() - begun_s >= TURN_S
                waits = self._pause_s(cycle) > 0 or bool(shared.lack())
                if cycle.state is not CycleState.OPEN or waits or is_over:
                    break
            if cycle.state is CycleState.OPEN:  # another one's turn: two trainers would need the memory of two
                await trainer.close()
        return cycle

    def _pause_s(self, cycle: Cycle) -> float:
        """How long until the stage's next attempt; the clock may have been set back."""
        longest_s = self.context.settings.triggers.retry_after * 2 ** (cycle.attempt - 1)
        return float(max(0.0, min(cycle.not_before - self.context.now(), longest_s)))

    async def _stage(self, cycle: Cycle, trainer: Trainers) -> Cycle:
        context = self.context
        await context.shared.writable()
        with context.shared.ledger.begin(durable=True) as conn:
            cycle = restart_stage(context, conn, cycle)
            stage_id = cycles.stage_started(conn, cycle, context.now())
            request = stage_request(context, conn, cycle, known_schema(context))
        durable.crash_point("control.stage_started")
        log = context.log.bind(cycle_id=cycle.id)
        log.info("stage_started", stage=cycle.stage, attempt=cycle.attempt)
        started = time.monotonic()
        outcome = await self._result(trainer, request)
        if context.shared.store is not None and cycle.stage is Stage.PROMOTE and outcome.kind == "ok":
            context.shared.store.note(context.folders.version(outcome.result["version"]))  # a child published it
        await context.shared.writable()
        return self._commit(cycle, stage_id, outcome, time.monotonic() - started, log)

    async def _wait_for_disk(self, cycle: Cycle) -> None:
        """Begin no stage on a full disk, and say so once."""
        logged = False
        while lack := self.context.shared.lack():
            if not logged:
                log = self.context.log.bind(cycle_id=cycle.id)
                log.error("disk_low", **lack, waiting_stage=cycle.stage)
            logged = True
            await asyncio.sleep(DISK_PAUSE_S)

    async def _result(self, trainer: Trainers, request: StageRequest) -> Outcome:
        try:
            result: Result = await trainer.call(request, self.context.settings.limits.train_time, "limits.train_time")
        except WorkerError as error:
            self.context.spent_s["retrains"] += error.cpu_s
            kind: OutcomeKind = "terminal" if error.kind == "refused" else "retry"
            return Outcome(kind, {"detail": error.detail} if error.detail else {}, error.message, error.raised)
        self.context.spent_s["retrains"] += result.cpu_s
        if isinstance(result, RecordResult):
            return Outcome("ok", to_json(result), result.reason)
        if isinstance(result, EvaluateResult):
            return Outcome("kept" if result.verdict == "keep" else "ok", to_json(result), result.reason)
        return Outcome("ok", to_json(result))

    def _commit(self, cycle: Cycle, stage_id: int, outcome: Outcome, seconds: float, log: Any) -> Cycle:
        context, now = self.context, self.context.now()
        triggers, trial = context.settings.triggers, None
        with context.shared.ledger.begin(durable=True) as conn:
            is_by_hand = cycle.trigger.kind == "adopt"  # a person said that it is to be served
            after = machine.advance(
                cycle, _with_verdict(conn, cycle, outcome), now, triggers.max_attempts, triggers.retry_after,
                "auto" if is_by_hand or context.settings.is_elsewhere else context.settings.mode,
                not is_by_hand and on_trial.needs_trial(conn, context),
                context.settings.is_elsewhere and cycle.trigger.kind != "reference",
            )  # fmt: skip
            cycles.stage_finished(conn, stage_id, outcome, now)
            record_spent(conn, context)
            if after.state is CycleState.ON_TRIAL:
                after, trial = on_trial.begin(conn, context, after, outcome.result)
            if after.state is CycleState.KEPT and cycle.stage is Stage.PROMOTE:
                after = keep_candidate(conn, context, after, outcome.result)
            if after.state is CycleState.PROMOTED:
                after = commit_promotion(conn, context, after, outcome.result)
                checks.end_open_episode(conn, context.name, now)
            cycles.save(conn, after, now)
        if after.state not in UNFINISHED:
            context.cleanup_needed.set()
        durable.crash_point("control.stage_committed")
        self._log_stage(cycle, after, outcome, seconds, log)
        if trial is not None:
            durable.crash_point("control.trial_begun")
            log.info(
                "trial_started", version=trial.version, strategy=trial.strategy, share=trial.share,
                seconds=round(trial.until - trial.since, 1),
            )  # fmt: skip
        if after.state is CycleState.PROMOTED:
            self.promoted()
        return after

    def _log_stage(self, before: Cycle, after: Cycle, outcome: Outcome, seconds: float, log: Any) -> None:
        match outcome.kind:
            case "ok" | "kept":
                log.info("stage_finished", stage=before.stage, seconds=round(seconds, 2))
            case "retry" | "terminal":
                log.warning(
                    "stage_failed", stage=before.stage, attempt=before.attempt, reason=outcome.reason,
                    will_retry=after.state is CycleState.OPEN,
                )  # fmt: skip
            case _:
                assert_never(outcome.kind)
        if after.state is CycleState.AWAITING_APPROVAL:
            log.warning("approval_needed", reason=outcome.reason, approve=f"driftd approve {after.id}")
        elif after.state is CycleState.PROMOTED:
            log.info("version_promoted", version=after.version, reason=after.reason)
        elif after.state is CycleState.KEPT and after.version is not None:
            log.warning("challenger_better", version=after.version, reason=after.reason)
        elif after.state is CycleState.KEPT:
            log.info("version_kept", reason=after.reason)
        if after.state not in UNFINISHED:
            log.info("cycle_finished", outcome=after.state, reason=after.reason)


def _done(observation: Observation, kind: str) -> tuple[int, ...]:
    """The ids of what is done by opening a cycle of that kind."""
    if kind == "adopt":
        assert observation.adoption is not None
        return observation.adoption.ids
    return (*observation.due, *observation.manual)


def _with_verdict(conn: Connection, cycle: Cycle, outcome: Outcome) -> Outcome:
    """A promotion that an error delayed is for the gate's reason, not for the error."""
    if outcome.kind != "ok" or cycle.stage is not Stage.PROMOTE or not cycle.attempt:
        return outcome
    done = cycles.results(conn, cycle.id)
    return replace(outcome, reason=(done.get(Stage.EVALUATE) or done.get(Stage.PREPARE) or {}).get("reason", ""))


def _first(*moments: float | None) -> float | None:
    """The earliest of some moments; None without any.

    >>> _first(None, 3.0, 2.0), _first(None)
    (2.0, None)
    """
    return min((moment for moment in moments if moment is not None), default=None)
