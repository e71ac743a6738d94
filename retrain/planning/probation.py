"""After a promotion: is the predecessor better after all? A test that may be looked at after every file. Pure.

The paired differences of the losses of the deployment and of its predecessor are summed up over the files after the
promotion. A normal-mixture confidence sequence (Robbins 1970; Howard et al. 2021) holds at all times at once, so that
looking at each file does not raise the chance of undoing a good promotion above alpha."""

import math
from dataclasses import replace

from retrain.records.assessment import Assessment, Moments
from retrain.records.deployment import Champion
from retrain.records.planner_state import Probation
from retrain.records.settings import ModelSettings

TUNED_FILES = 4.0
"""The sequence is tightest around so many files like the first one."""


def watched(trial: Probation, assessment: Assessment) -> Probation:
    """After one more labelled file; a new version begins anew."""
    if assessment.newest != trial.version:
        trial = Probation(assessment.newest)
    return trial if assessment.rival is None else added(trial, assessment.rival)


def added(trial: Probation, differences: Moments) -> Probation:
    """With the paired differences of one more file."""
    mean, variance, rows = differences
    return replace(
        trial,
        files=trial.files + 1,
        rows=trial.rows + rows,
        total=trial.total + mean * rows,
        spread=trial.spread + variance * rows,
        tuned=trial.tuned or TUNED_FILES * variance * rows,
    )


def over(trial: Probation) -> Probation:
    """Its end, whatever comes."""
    return replace(trial, files=10**9)


def verdict(trial: Probation, champion: Champion, settings: ModelSettings) -> str | None:
    """Why the promotion is to be undone, if beyond doubt it made things worse; None else."""
    if settings.mode != "auto" or trial.version != champion.newest or not trial.rows:
        return None
    if trial.files > settings.probation.files:
        return None
    if not surely_worse(trial, settings.probation.alpha):
        return None
    worse = trial.total / trial.rows
    return (
        f"{champion.version} costs {worse:.4f} a row more than its predecessor on {trial.rows:,} labelled rows since "
        "its promotion, more than chance explains at any look"
    )


def surely_worse(trial: Probation, alpha: float) -> bool:
    """Whether the sum of the differences is above 0 beyond what chance explains at any look."""
    return trial.rows > 0 and trial.total > radius(trial.spread, trial.tuned, alpha)


def radius(spread: float, tuned: float, alpha: float) -> float:
    """Half the width of the confidence sequence for a sum of variance `spread`, tightest around `tuned`.

    >>> round(radius(500.0, 500.0, 0.05), 1)
    81.8
    """
    tuned = max(tuned, 1e-12)
    return math.sqrt((spread + tuned) * math.log((spread + tuned) / (tuned * alpha**2)))
