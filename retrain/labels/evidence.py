"""What the newest files tell of how labels come: curves by class, whether arrival depends on the class, and whether
being labelled depends on the answer.

Files whose labels came all with their rows tell nothing of it; they only say how frequent classes are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrain.labels.arrival_curves import ArrivalCurve, curves_by_class, slowest, thirds
from retrain.labels.association import class_association, rank_association
from retrain.labels.coverage import Shift, shift, shifts
from retrain.labels.file_labels import NEARLY, FileLabels, Pooled, pooled

LABELS, FEWEST_FILES = 20_000, 60
"""The newest files with so many labels, but at least so many files, are looked at."""
INDEPENDENT, DEPENDENT = 0.2, 0.1
"""Somers' D of lag and class, of score and being labelled: independent if surely smaller (areas of 0.4 to 0.6),
dependent if surely larger."""
CLASS_ROWS = 20
"""Fewer labels of a class show no independence."""
CURVE_ROWS = 10
SETTLED_SHARE = 0.9
PATIENCE, LONG_PATIENCE = 3, 10
"""Files without further arrivals, beyond one and a half times the slowest lag, until a curve is held to be whole; the
longer one unless the labels are those that the model makes expect."""
EXPECTED = 7.0
"""A class of which so many labels are expected, and none came (chance below 1 in 1,000), is missing."""
RARE_ERROR = 0.5
SHIFTED, NOT_SHIFTED = math.log(2.0), math.log(3.0)
"""Log odds of a class among labels, against what probabilities (else complete files) make expect: surely beyond the
first is odd, surely within the second is as expected."""
CORRECTED, CORRECTED_ROWS = 0.1, 5


@dataclass(frozen=True, eq=False)
class Evidence:
    """Of files whose labels are not simply there: `files`, oldest first, those with labels; `silent`, how many files
    came since the last label that did not come with its row; `curves` by class. `dependent` and `independent`: arrival
    is shown to depend on the class, or not to. `base`: how frequent classes are where all labels are in. `slow`: after
    how many files nine of ten labels of the slowest class are in, nan if unknown. `missing`: classes of which labels
    should have come. `provisional`: labels of a class often come as changes of others. `final`: the share of rows that
    finally get a label, None while `whole` (no more labels come after the curves) is not shown. By class, the `shift`
    of the labels against what the probabilities of their rows make expect, and `share_shift` against complete files."""

    files: tuple[FileLabels, ...]
    silent: int
    curves: Mapping[str, ArrivalCurve]
    dependent: bool
    independent: bool
    base: Mapping[Any, float]
    slow: float
    missing: tuple[Any, ...]
    provisional: bool
    whole: bool
    final: float | None
    shift: Mapping[str, Shift]
    share_shift: Mapping[str, Shift]

    def age(self, file: FileLabels) -> int:
        """How old a file was when the last label came: a feed that died makes nothing old."""
        return max(0, file.age - self.silent)

    def arrived(self, file: FileLabels, share: float = SETTLED_SHARE) -> bool:
        """It is as old as files are when nine of ten labels of each class are in, or another `share` of them."""
        return bool(self.curves) and all(curve.share(self.age(file)) >= share for curve in self.curves.values())


def evidence_of(files: Sequence[FileLabels], task: str, names: Sequence[str]) -> Evidence:
    """Of a model's files, oldest first."""
    provisional = _provisional(files)
    late = _newest(_late(files, provisional))
    silent = min((file.last_arrival for file in late if file.age), default=0)
    rows = pooled(late, silent)
    groups = rows.classes if task == "classification" else thirds(rows.classes.astype(np.float64))
    curves = _curves(rows, groups)
    dependent, independent = _by_class(rows, task)
    base = _shares([file for file in files if file.share >= NEARLY]) if task == "classification" else {}
    slow, by_answer, by_share = slowest(curves, SETTLED_SHARE), _shift(files, late, names), _share_shift(rows, base)
    missing = _missing(rows, base) if task == "classification" else ()
    aged = [file for file in late if file.age - silent >= slow]
    final = float(np.median([file.share for file in aged[-20:]])) if aged else None
    usual = as_expected((by_answer, by_share), NOT_SHIFTED) or not (by_answer or by_share)
    patience = PATIENCE if usual or provisional else LONG_PATIENCE
    reach = max((file.age for file in late), default=0) - silent
    complete = final is not None and final >= NEARLY and not provisional
    whole = final is not None and not missing and (complete or reach >= 1.5 * slow + patience)
    return Evidence(
        tuple(late), silent, curves, dependent, independent, base, slow, missing, provisional, whole,
        final if whole else None, by_answer, by_share,
    )  # fmt: skip


def _late(files: Sequence[FileLabels], provisional: bool) -> list[FileLabels]:
    """Those whose labels did not all come with their rows; where labels are provisional, all since the first that was
    changed."""
    if provisional:
        start = next(place for place, file in enumerate(files) if _changes(file).any())
        return [file for file in files[start:] if file.known]
    return [file for file in files if file.known and not file.at_once]


def _newest(files: Sequence[FileLabels]) -> list[FileLabels]:
    count = 0
    for place in range(len(files) - 1, -1, -1):
        count += files[place].known
        if count >= LABELS and len(files) - place >= FEWEST_FILES:
            return list(files[place:])
    return list(files)


def _changes(file: FileLabels) -> NDArray[np.bool_]:
    return np.zeros(file.known, dtype=bool) if file.changed is None else file.changed > 0


def _provisional(files: Sequence[FileLabels]) -> bool:
    """Of some class more than a tenth of the labels came as changes, in files that have any."""
    some = [file for file in files if _changes(file).any()]
    if not some:
        return False
    classes, changed = np.concatenate([f.classes for f in some]), np.concatenate([_changes(f) for f in some])
    if classes.dtype.kind == "f":
        return bool(changed.sum() >= CORRECTED_ROWS and changed.mean() > CORRECTED)
    return any(
        changed[classes == name].sum() >= CORRECTED_ROWS and changed[classes == name].mean() > CORRECTED
        for name in np.unique(classes)
    )


def _curves(rows: Pooled, groups: NDArray[Any]) -> dict[str, ArrivalCurve]:
    """By class, of those with enough labels; if no class has, of all together."""
    curves = curves_by_class(rows.lags, rows.ages, groups)
    return {name: curve for name, curve in curves.items() if curve.rows >= CURVE_ROWS}


def _by_class(rows: Pooled, task: str) -> tuple[bool, bool]:
    """Whether arrival is shown to depend on the class, and whether it is shown not to."""
    if task != "classification":
        one = rank_association(rows.lags, rows.classes, rows.seqs)
        return one.surely_beyond(DEPENDENT), one.surely_within(INDEPENDENT)
    found = class_association(rows.lags, rows.classes, rows.seqs).by_class
    names, counts = np.unique(rows.classes, return_counts=True)
    frequent = [name for name, count in zip(names.tolist(), counts, strict=True) if count >= CLASS_ROWS]
    dependent = any(one.surely_beyond(DEPENDENT, errors=3.0) for one in found.values())
    shown = len(frequent) > 1 and all(found[name].surely_within(INDEPENDENT) for name in frequent)
    return dependent, shown and not dependent and (len(names) > 2 or len(frequent) == len(names))


def _shares(files: Sequence[FileLabels]) -> dict[Any, float]:
    rows = pooled(_newest(files))
    names, counts = np.unique(rows.classes, return_counts=True)
    return dict(zip(names.tolist(), (counts / max(1, counts.sum())).tolist(), strict=True))


def _missing(rows: Pooled, base: Mapping[Any, float]) -> tuple[Any, ...]:
    seen = set(np.unique(rows.classes).tolist())
    return tuple(name for name, share in base.items() if name not in seen and share * len(rows.classes) >= EXPECTED)


def _shift(files: Sequence[FileLabels], late: Sequence[FileLabels], names: Sequence[str]) -> dict[str, Shift]:
    """By class, of the late labels against those of files that are complete."""
    usual = shifts(_newest([file for file in files if file.at_once]), names)
    none = Shift(0.0, 0.0)
    return {name: one.minus(usual.get(name, none)) for name, one in shifts(late, names).items()}


def _share_shift(rows: Pooled, base: Mapping[Any, float]) -> dict[str, Shift]:
    """By class, against how frequent it is where all labels are in."""
    of_base = {name: share for name, share in base.items() if len(base) > 1 and len(rows.classes)}
    return {
        name: shift(rows.classes == name, np.full(len(rows.classes), share), rows.seqs)
        for name, share in of_base.items()
    }


def as_expected(found: Sequence[Mapping[str, Shift]], margin: float) -> bool:
    """Whether labels are of the classes that the probabilities, or else complete files, make expect: shown by either,
    since the relation of the probabilities to the classes may change, and so may how frequent classes are. Rare ones
    of many classes are left out."""

    def shown(one: Mapping[str, Shift]) -> bool:
        some = [shift for shift in one.values() if len(one) == 2 or shift.error < RARE_ERROR]
        return bool(some) and all(shift.surely_within(margin) for shift in some)

    return any(map(shown, found))
