"""Whether the labels that are in are those that the model's probabilities make expect of just these rows.

Where being labelled depends on the answer alone, they are. Where it depends on the class, the labelled rows have more
of that class than their probabilities say. A change of the relation that the model learned shows here as well, so that
this alone holds nothing back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from drift.statistics.scores import Floats
from retrain.labels.file_labels import FileLabels

CERTAIN = 1e-3
"""Probabilities nearer to 0 or 1 are taken as so near."""
STEPS, FARTHEST, EXACT = 60, 15.0, 1e-12


@dataclass(frozen=True)
class Shift:
    """By how much the log odds of a class among labels exceed those that the probabilities give; its standard error."""

    value: float
    error: float

    def minus(self, other: "Shift") -> "Shift":
        """The difference of two independent ones."""
        return Shift(self.value - other.value, math.hypot(self.error, other.error))

    def surely_within(self, margin: float) -> bool:
        """Shown to be smaller than `margin`, up and down (95 %)."""
        return abs(self.value) + 2.0 * self.error < margin

    def surely_beyond(self, margin: float) -> bool:
        """Shown to be larger than `margin`, up or down (95 %)."""
        return abs(self.value) - 2.0 * self.error > margin


def shifts(files: Sequence[FileLabels], names: Sequence[str]) -> dict[str, Shift]:
    """The shift of each class over the labelled rows of files, of which there are probabilities (n, k) with a column
    for each of the k `names`; without such files none."""
    parts = [file for file in files if file.probabilities is not None and file.known]
    if not parts:
        return {}
    given = np.concatenate([_of_labelled(file) for file in parts])
    classes = np.concatenate([file.classes for file in parts])
    strata = np.repeat(np.arange(len(parts)), [file.known for file in parts])
    if len(names) == 2 and bool(np.isin(classes, names).all()):
        second = shift(classes == names[1], given[:, 1], strata)
        return {names[0]: Shift(-second.value, second.error), names[1]: second}
    return {name: shift(classes == name, given[:, column], strata) for column, name in enumerate(names)}


def shift(happened: NDArray[np.bool_], probabilities: Floats, strata: NDArray[Any]) -> Shift:
    """The intercept of a logistic regression on the given log odds with slope 1: Cox's (1958) recalibration in the
    large. What happened, with which probability, and in which file, all (n,). Files that contradict each other enlarge
    the standard error.

    >>> shift(np.repeat([True, False], 500), np.full(1000, 0.25), np.zeros(1000)).value.__round__(3)
    1.099
    """
    odds = logit(np.clip(probabilities, CERTAIN, 1.0 - CERTAIN))
    alike = bool((odds == odds[:1]).all())
    total = float(np.sum(happened))
    intercept = _intercept(odds[:1], total / len(odds)) if alike and len(odds) else _intercept(odds, total)
    expected = expit(odds + intercept)
    codes = np.unique(strata, return_inverse=True)[1]
    variances = np.bincount(codes, expected * (1.0 - expected))
    excess = np.bincount(codes, happened - expected)
    told = variances > 0
    spread = max(1.0, float(np.mean(excess[told] ** 2 / variances[told]))) if told.any() else 1.0
    return Shift(intercept, math.sqrt(spread / max(float(variances.sum()), CERTAIN)))


def _intercept(odds: Floats, total: float) -> float:
    """What to add to log odds (n,) so that `total` rows are expected, at most FARTHEST up or down: by Newton's steps,
    and by halves where one of them leaves what is between."""
    low, high, middle = -FARTHEST, FARTHEST, 0.0
    for _ in range(STEPS):
        given = expit(odds + middle)
        excess, slope = float(given.sum()) - total, float(given @ (1.0 - given))
        low, high = (middle, high) if excess < 0 else (low, middle)
        step = middle - excess / slope if slope > 0 else math.nan
        before, middle = middle, step if low < step < high else (low + high) / 2.0
        if abs(middle - before) < EXACT:
            break
    return middle


def _of_labelled(file: FileLabels) -> Floats:
    assert file.probabilities is not None
    chosen: Floats = file.probabilities[file.labelled]
    return chosen
