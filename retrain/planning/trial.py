"""A challenger on trial beside the champion: is it promoted, dropped, or watched on? Pure.

Two things end a trial early, both against the challenger, since nothing that is seen later takes them back: more
failures than are allowed, and labelled rows on which it is worse than the champion beyond doubt. The second is tested
by the confidence sequence of `retrain.planning.probation`, so that looking after every file does not raise the chance
of dropping a good one. Everything else waits for the end: traffic has its hours, and answers that differ are no fault
by themselves."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from drift.notation import amount, counted
from retrain.planning.probation import added, sure_difference, surely_worse
from retrain.records.assessment import Moments
from retrain.records.planner_state import Probation
from retrain.records.settings.model import judged
from retrain.records.trial import Trial


@dataclass(frozen=True)
class TrialDecision:
    """Promote, drop or wait (until `until`, in Unix seconds, or until more is reported); `reason` has its numbers."""

    kind: Literal["promote", "drop", "wait"]
    reason: str
    until: float | None = None


def labelled_evidence(version: str, differences: Iterable[Moments]) -> Probation:
    """Over the labelled files of a trial: per file the moments of what the challenger cost more a row."""
    evidence = Probation(version)
    for one in differences:
        evidence = added(evidence, one)
    return evidence


def decide(trial: Trial, evidence: Probation, now: float, alpha: float, task: str) -> TrialDecision:
    """What becomes of a running trial now; `alpha` is how often a challenger that is no worse may be dropped for its
    labelled rows."""
    counts = trial.counts
    if counts.failures > trial.max_failures:
        allowed = "none is allowed" if not trial.max_failures else f"{trial.max_failures:,} are allowed"
        last = f"; the last: {counts.error}" if counts.error else ""
        return TrialDecision(
            "drop", f"{trial.version} failed on {_count(counts.failures, 'request')} on trial, {allowed}{last}"
        )
    if surely_worse(evidence, alpha):
        return TrialDecision(
            "drop",
            f"{trial.version} is worse than the champion on the {counted(evidence.rows, judged(task))} of its trial: "
            f"{sure_difference(evidence, alpha, 'probation.alpha')}",
        )
    if now < trial.until:
        return TrialDecision("wait", f"{trial.version} is on trial: {summary(trial, evidence, task)}", trial.until)
    if counts.rows < trial.min_rows and now < trial.latest:
        needed = f"at least {trial.min_rows:,} rows (rollout.min_rows)"
        lacks = f"{trial.version} is on trial: it answered {counts.rows:,} of {needed}"
        return TrialDecision("wait", lacks, trial.latest)
    return TrialDecision("promote", f"its trial found no harm: {summary(trial, evidence, task)}")


def summary(trial: Trial, evidence: Probation | None, task: str) -> str:
    """What the servers and the labels reported, in words."""
    counts, where = trial.counts, "in shadow" if trial.strategy == "shadow" else "of live traffic"
    parts = [f"{counted(counts.rows, 'row')} answered {where}", _count(counts.failures, "failure")]
    if counts.compared and task == "regression":
        parts.append(f"{counts.differed / counts.compared:.4g} mean absolute difference from the champion")
    elif counts.compared:
        parts.append(f"{counts.differed:,.0f} rows ({counts.differed / counts.compared:.1%}) unlike the champion's")
    if counts.compared and counts.champion_s > 0:
        parts.append(f"{counts.challenger_s / counts.champion_s:.2g} times the champion's time a row")
    if evidence is not None and evidence.rows:
        cost = evidence.total / evidence.rows
        how = "worse" if cost > 0 else "better"
        parts.append(f"{how} than the champion by {amount(abs(cost))} on {counted(evidence.rows, judged(task))}")
    elif evidence is not None:
        parts.append("no labels yet")
    return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
