"""Which files' labels may be believed, where nothing is configured: found from how labels arrive.

Independence has to be shown before labels are used early, and labels of one class are never believed. A labelling that
depends on the class only by what the model does not know, for ever, cannot be seen in any data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from retrain.labels.arrival_curves import ArrivalCurve
from retrain.labels.evidence import INDEPENDENT, SHIFTED, Evidence, as_expected, evidence_of
from retrain.labels.file_labels import NEARLY, FileLabels
from retrain.labels.reasons import reason
from retrain.labels.selection import answer_arrival, selection_of
from retrain.labels.words import COMPLETE, EARLY, FINISHED, SELECTED, WAITING

__all__ = ["FileLabels", "Trust", "judge"]

EARLY_SHARE = 1 / 3
"""Of what files finally get: a file judged then keeps .71 of the gain of one with all its labels, at 90 % .54."""
CURVES_APART = 1.5
"""Early, no class may have this many times the share of its labels that another has."""
USUAL_FILES = 20
ONE_CLASS_CHANCE, ONE_CLASS_SHARE = 1e-3, 0.7
"""Labels of one class are no chance if a class of the share that it had, or of 0.7 as shares change, would give so many
in a row less than once in 1,000 times: at least 20."""
NO_MORE = 0.995
"""Of the labels of each class: older files get no more."""


@dataclass(frozen=True, eq=False)
class Trust:
    """By seq a word of `retrain.labels.words`. `by_class`: when labels come depends on the class; `selected`: who gets
    one depends on the answer; `one_class`: the only class of the newest labels; `slow_lag`: after how many files nine
    of ten labels of the slowest class are in, nan if unknown; `curves` by class, in files; `wait`: what is waited for,
    in words, "" for nothing."""

    by_seq: Mapping[int, str] = field(default_factory=dict)
    by_class: bool = False
    selected: bool = False
    one_class: str | None = None
    slow_lag: float = float("nan")
    curves: Mapping[str, ArrivalCurve] = field(default_factory=dict)
    wait: str = ""


def judge(files: Sequence[FileLabels], task: str, names: Sequence[str]) -> Trust:
    """Of a model's files of rows, oldest first; `task` as in the schema, `names` the k classes of `probabilities`."""
    evidence = evidence_of(files, task, names)
    lonely, one_class = _one_class_run(evidence, task)
    final = [file for file in evidence.files if evidence.whole and evidence.arrived(file, NO_MORE)]
    selection = selection_of(final, names, evidence.shift)
    selected, class_wise = selection.found, selection.class_wise
    ready = _early_possible(evidence) and not selected
    late = {file.seq: place for place, file in enumerate(evidence.files)}
    by_seq = {}
    for file in files:
        if file.seq in lonely or not file.known:
            by_seq[file.seq] = WAITING
        elif _complete(file, evidence):
            by_seq[file.seq] = COMPLETE
        elif _finished(file, evidence, evidence.files[: late.get(file.seq, 0)]):
            by_seq[file.seq] = WAITING if class_wise else SELECTED if selected else FINISHED
        else:
            by_seq[file.seq] = EARLY if ready and _early(file, evidence) else WAITING
    by_class = evidence.dependent or class_wise or evidence.provisional
    wait = reason(evidence, by_seq, by_class, one_class, class_wise)
    return Trust(by_seq, by_class, selected, one_class, evidence.slow, evidence.curves, wait)


def _complete(file: FileLabels, evidence: Evidence) -> bool:
    """All rows have a label, or nearly all, and the others are too few to be another class."""
    if evidence.provisional and file in evidence.files:
        return False
    if file.whole:
        return True
    if file.share < NEARLY or evidence.dependent:
        return False
    rarest = np.unique(file.classes, return_counts=True)[1].min() if file.classes.dtype.kind != "f" else file.known
    return evidence.independent or len(file.labelled) - file.known <= rarest / 2


def _finished(file: FileLabels, evidence: Evidence, before: Sequence[FileLabels]) -> bool:
    """It is old enough, and has nine of ten of the labels that older files got, but for chance."""
    if not evidence.whole or not evidence.arrived(file):
        return False
    older = [one.share for one in before if evidence.arrived(one)][-USUAL_FILES:]
    usual = float(np.median(older)) if older else 0.0
    rows = len(file.labelled)
    return file.known >= 0.9 * usual * rows - 2.0 * float(np.sqrt(rows * usual * (1.0 - usual)))


def _early_possible(evidence: Evidence) -> bool:
    """Arrival is shown not to depend on the class, nor, as far as there are answers, on these; and while it is not
    known how late labels can be, there are as many of each class as expected."""
    if not evidence.independent or evidence.missing or evidence.provisional:
        return False
    expected = as_expected((evidence.shift, evidence.share_shift), SHIFTED)
    arrivals = answer_arrival(evidence.files)
    return (evidence.whole or expected) and all(one.surely_within(INDEPENDENT) for one in arrivals if one.rows)


def _early(file: FileLabels, evidence: Evidence) -> bool:
    """It has a third of what files finally get, and no class is ahead of another."""
    final = 1.0 if evidence.final is None else evidence.final
    shares = [curve.share(evidence.age(file)) for curve in evidence.curves.values()]
    return file.share >= EARLY_SHARE * final and max(shares) <= CURVES_APART * min(shares)


def _one_class_run(evidence: Evidence, task: str) -> tuple[set[int], str | None]:
    """The newest late files whose labels are all of one class, if that is no chance: their seqs; and the class, unless
    others are known to come later."""
    if task != "classification" or not evidence.files:
        return set(), None
    newest, run, count = None, [], 0
    for file in reversed(evidence.files):
        newest = file.one_class if newest is None else newest
        if file.one_class is None or file.one_class != newest:
            break
        run.append(file)
        count += file.known
    if not run or _chance(newest, count, evidence, run) >= ONE_CLASS_CHANCE:
        return set(), None
    due = not evidence.dependent or evidence.age(run[-1]) > evidence.slow
    return {file.seq for file in run}, str(newest) if due else None


def _chance(name: Any, count: int, evidence: Evidence, run: Sequence[FileLabels]) -> float:
    """How likely `count` labels are all of a class; 0 where no other class was ever seen."""
    base = evidence.base.get(name)
    others = evidence.files[: len(evidence.files) - len(run)]
    if not others:
        return 0.0 if base is None else float(base**count)
    seen = float(np.mean(np.concatenate([file.classes for file in others]) == name))
    return float(max(base or 0.0, seen, ONE_CLASS_SHARE) ** count)
