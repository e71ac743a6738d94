"""A model's trial: begun with the commit of the promote stage, judged by what servers report and labels show, ended in
one transaction."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from daemon.cycles.classes import learn_classes
from daemon.cycles.loadable import unloadable
from daemon.cycles.schemas import schema_change
from daemon.ledger import Ledger, checks, cycles, deployments, promotions, trials, versions
from daemon.runtime.context import ModelContext
from retrain import durable
from retrain.planning import cycle as machine
from retrain.planning.trial import TrialDecision, decide, labelled_evidence
from retrain.records.cycle import Cycle
from retrain.records.trial import Trial


def needs_trial(conn: Connection, context: ModelContext) -> bool:
    """Whether a challenger goes on trial; the first model of all has nobody to be beside, nor
    has one where the champion cannot be loaded, or answers another question."""
    champion = promotions.champion(conn, context.name)
    changed = schema_change(context, champion)
    alike = changed is None or changed.comparable
    served = champion is not None and not unloadable(context.folders.versions, champion, context.settings) and alike
    return context.settings.rollout.strategy != "direct" and served and not context.settings.is_elsewhere


def begin(conn: Connection, context: ModelContext, cycle: Cycle, result: dict[str, Any]) -> tuple[Cycle, Trial]:
    """Record the version that the promote stage published, and that it is on trial."""
    now = context.now()
    versions.record(conn, context.name, cycle, result, now)
    version = context.folders.version(result["version"])
    learn_classes(conn, context.name, context.settings, version, cycle.up_to_seq)
    challenger = deployments.for_version(conn, context.name, result["version"], now)
    trial = trials.begin(conn, cycle, challenger, context.settings.rollout, now)
    return replace(cycle, version=result["version"]), trial


def judge(context: ModelContext) -> TrialDecision:
    """Decide on the running trial, commit and log the decision; or say how long to wait."""
    with context.shared.ledger.connect() as conn:
        trial = trials.running(conn, context.name)
        assert trial is not None, "a cycle on trial has one"
        evidence = labelled_evidence(trial.version, trials.differences(conn, context.name, trial.version))
    if (now := context.now()) < trial.since:  # the clock was set back
        with context.shared.ledger.begin(durable=True) as conn:
            trial = trials.begin_anew(conn, trial, now)
    decision = decide(trial, evidence, now, context.settings.probation.alpha, context.settings.task)
    if decision.kind == "wait":
        return decision
    with context.shared.ledger.begin(durable=True) as conn:
        cycle = end(conn, context, trial, "promoted" if decision.kind == "promote" else "dropped", decision.reason)
    durable.crash_point("control.trial_decided")
    log_ended(context, cycle, trial, decision.reason)
    return decision


def end(
    conn: Connection, context: ModelContext, trial: Trial, outcome: str, reason: str, kind: str = "promote"
) -> Cycle:
    """The trial and its cycle are over: `promoted` makes the challenger the champion by a promotion of `kind`, with
    `dropped` and `ended` the champion stays."""
    now = context.now()
    cycle = machine.after_trial(cycles.get(conn, trial.cycle), outcome == "promoted", reason)
    if outcome == "promoted":
        promotions.record(conn, context.name, trial.deployment, kind, cycle.reason, now, cycle_id=cycle.id)
        checks.end_open_episode(conn, context.name, now)
    trials.finish(conn, trial, outcome, reason, now)
    cycles.save(conn, cycle, now)
    return cycle


def log_ended(context: ModelContext, cycle: Cycle, trial: Trial, reason: str) -> None:
    """Log how it ended."""
    log, counts = context.log.bind(cycle_id=cycle.id), trial.counts
    log.info(
        "trial_finished", version=trial.version, outcome=cycle.state, reason=reason, rows=counts.rows,
        failures=counts.failures, compared=counts.compared, differed=counts.differed,
    )  # fmt: skip
    if cycle.state == "promoted":
        log.info("version_promoted", version=cycle.version, reason=cycle.reason)
    else:
        log.info("version_kept", reason=reason)
    log.info("cycle_finished", outcome=cycle.state, reason=cycle.reason)


def _may_end(trial: Trial, now: float) -> bool:
    """Whether what was seen may decide it; that its time is over is noticed by the clock."""
    counts = trial.counts
    return counts.failures > trial.max_failures or (now >= trial.until and counts.rows >= trial.min_rows)


class Reports:
    """What servers report of trials, added up in memory until it is written."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)

    def add(self, message: dict[str, Any]) -> None:
        """A server's report."""
        self._waiting[message["model"], message["trial"]].append(message["seen"])

    def write(self, ledger: Ledger, now: float) -> list[str]:
        """Write all of it; the models whose trial may now be decided."""
        waiting, ready = {key: list(reports) for key, reports in self._waiting.items()}, []
        if not waiting:
            return []
        with ledger.begin() as conn:
            for (model, trial_id), reports in waiting.items():
                for counts in reports:
                    trials.add(conn, trial_id, counts)
                trial = trials.running(conn, model)
                if trial is not None and _may_end(trial, now):
                    ready.append(model)
        self._waiting.clear()
        return ready
