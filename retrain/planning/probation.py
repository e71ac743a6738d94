"""After a promotion: is the predecessor better after all? A test that may be looked at after every file. Pure.

The paired differences of the losses of the deployment and of its predecessor are summed up over the files after the
promotion. A normal-mixture confidence sequence (Robbins 1970; Howard et al. 2021) holds at all times at once, so that
looking at each file does not raise the chance of undoing a good promotion above alpha."""

import math
from collections.abc import Iterable
from dataclasses import replace

from drift.notation import apart, counted, percent
from retrain.records.assessment import Assessment, Moments
from retrain.records.deployment import Champion
from retrain.records.planner_state import FileDifference, Probation
from retrain.records.settings import ModelSettings

TUNED_FILES = 4.0
"""The sequence is tightest around so many files like the first one."""
ENDED = 10**9
"""Files, more than anybody waits for: the mark of a probation that is over."""


def folded(probation: Probation, version: str, assessments: Iterable[Assessment], files: int) -> Probation:
    """After all assessments of this version that hold now, in the order of their files; one that is over stays over."""
    if probation.version == version and is_over(probation):
        return probation
    anew = Probation(version)
    for one in assessments:
        if one.newest == version:
            anew = watched(anew, one, files)
    return anew


def watched(probation: Probation, assessment: Assessment, files: int) -> Probation:
    """After one more labelled file; a new version begins anew. Files after the first `files` are not of the probation:
    who asks for a verdict late, after several at once or when nothing hinders it any more, gets that of the first."""
    if assessment.newest != probation.version:
        probation = Probation(assessment.newest)
    probation = replace(probation, metric=assessment.metric)
    if assessment.rival is None or probation.files >= files:
        return probation
    mean, _, rows = assessment.rival
    parts = (*probation.parts, FileDifference(assessment.seq, mean, rows))
    return replace(added(probation, assessment.rival), parts=parts)


def added(probation: Probation, differences: Moments) -> Probation:
    """With the paired differences of one more file."""
    mean, variance, rows = differences
    return replace(
        probation,
        files=probation.files + 1,
        rows=probation.rows + rows,
        total=probation.total + mean * rows,
        spread=probation.spread + variance * rows,
        tuned=probation.tuned or TUNED_FILES * variance * rows,
    )


def ended(probation: Probation) -> Probation:
    """Its end, whatever comes."""
    return replace(probation, files=ENDED, parts=())


def is_over(probation: Probation) -> bool:
    """Whether it is over, whatever comes."""
    return probation.files >= ENDED


def after_look(probation: Probation, files: int) -> Probation:
    """After a look that undid nothing: over if it was the last, so that nothing that changes later undoes it."""
    return ended(probation) if probation.files >= files else probation


def verdict(probation: Probation, champion: Champion, settings: ModelSettings) -> str | None:
    """Why the promotion is to be undone, if beyond doubt it made things worse; None else."""
    if settings.mode != "auto" or probation.version != champion.newest or not probation.rows:
        return None
    if probation.files > settings.probation.files:
        return None
    if not surely_worse(probation, settings.probation.alpha):
        return None
    files = counted(probation.files, "file")
    worse = sure_difference(probation, settings.probation.alpha, "probation.alpha")
    return (
        f"{champion.described} is worse than its predecessor on the {probation.rows:,} {settings.judged}s of {files} "
        f"since its promotion: {worse}"
    )


def sure_difference(probation: Probation, alpha: float, key: str) -> str:
    """How much worse, and what it is compared with; `key` is the name of `alpha` in the configuration.

    >>> sure_difference(Probation("v2", 3, 300, 90.0, 300.0, 300.0, "accuracy"), 0.05, "probation.alpha")
    'by 0.3000 accuracy, more than 0.2111 (half the width of the 95% interval that holds at every look,
    probation.alpha)'
    """
    worse, half = probation.total / probation.rows, radius(probation.spread, probation.tuned, alpha) / probation.rows
    digits, unit = apart(worse, half), probation.metric and f" {probation.metric}"
    interval = f"the {percent(1 - alpha)} interval that holds at every look, {key}"
    return f"by {worse:,.{digits}f}{unit}, more than {half:,.{digits}f} (half the width of {interval})"


def surely_worse(probation: Probation, alpha: float) -> bool:
    """Whether the sum of the differences is above 0 beyond what chance explains at any look."""
    return probation.rows > 0 and probation.total > radius(probation.spread, probation.tuned, alpha)


def radius(spread: float, tuned: float, alpha: float) -> float:
    """Half the width of the confidence sequence for a sum of variance `spread`, tightest around `tuned`.

    >>> round(radius(500.0, 500.0, 0.05), 1)
    81.8
    """
    tuned = max(tuned, 1e-12)
    return math.sqrt((spread + tuned) * math.log((spread + tuned) / (tuned * alpha**2)))
