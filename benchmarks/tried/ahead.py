"""Weights of earlier versions for the files that labels are out for: by losses moved ahead by their trend, or less sure
the longer labels are out."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from retrain.model.recalibration import Recalibration
from retrain.monitoring.assessor import Assessor
from retrain.monitoring.blend_weights import NEWEST_FACTOR, SMALLEST_WEIGHT, TEMPERATURE, blend_weights
from retrain.monitoring.proposal import _archive_losses, distinct
from retrain.records.predictions import Floats
from retrain.rows.history import Batch

TREND_FILES, FEWEST_FILES = 4, 3
Losses = Mapping[str, Floats]
Weigh = Callable[[Assessor, Losses, Recalibration | None, int], dict[str, float]]
Weights = Callable[[Assessor, Sequence[Batch], Recalibration | None], dict[str, float]]


def weights(weigh: Weigh, lag: int) -> Weights:
    """In place of `retrain.monitoring.proposal._weights`; `lag` is how many files came after the newest labels."""

    def of(assessor: Assessor, recent: Sequence[Batch], decision: Recalibration | None) -> dict[str, float]:
        adaptation, newest = assessor.settings.adaptation, assessor.served.newest
        parts = [losses for batch in recent if (losses := _archive_losses(assessor, batch, decision)) is not None]
        if adaptation.archive < 2 or len(assessor.archive) < 2 or not parts:
            return {newest: 1.0}
        whole = {name: np.concatenate([losses[name] for losses in parts]) for name in distinct(assessor, recent)}
        return weigh(assessor, whole, decision, lag)

    return of


def by_trend(assessor: Assessor, whole: Losses, decision: Recalibration | None, lag: int) -> dict[str, float]:
    """By losses moved ahead: what a version costs more than the newest one goes on as it went over four files."""
    steps = _by_file(assessor, list(whole), decision)
    moved = {name: losses + lag * slope(steps.get(name, np.zeros(0))) for name, losses in whole.items()}
    return blend_weights(moved, assessor.served.newest, assessor.settings.adaptation.members)


def less_sure(assessor: Assessor, whole: Losses, decision: Recalibration | None, lag: int) -> dict[str, float]:
    """As usual, but the variance of a difference grows by that from file to file for each file without labels."""
    newest, members = assessor.served.newest, assessor.settings.adaptation.members
    if newest not in whole:
        return {newest: 1.0}
    steps = _by_file(assessor, list(whole), decision)
    best = min(whole, key=lambda name: float(whole[name].mean()))
    raw = {}
    for name, losses in whole.items():
        paired = losses - whole[best]
        path = steps.get(name, np.zeros(0)) - steps.get(best, np.zeros(0))
        step = float(np.mean(np.diff(path) ** 2)) if len(path) >= FEWEST_FILES else 0.0
        error = np.sqrt(paired.var() / len(paired) + lag * step)
        raw[name] = float(np.exp(-TEMPERATURE * max(0.0, paired.mean() / (error + 1e-9))))
        raw[name] *= NEWEST_FACTOR if name == newest else 1.0
    ranked = sorted(raw, key=lambda name: (-raw[name], name))[:members]
    kept = {name: raw[name] for name in ranked if raw[name] > SMALLEST_WEIGHT * raw[ranked[0]]}
    return {name: weight / sum(kept.values()) for name, weight in kept.items()}


def slope(path: Floats) -> float:
    """The least-squares slope of values (n,) per step, shrunk by 1 − (its standard error / it)²; 0 of fewer than three.

    >>> round(slope(np.array([0.0, 1.0, 2.0, 3.1])), 2), slope(np.array([0.0, 1.0, 0.0, 1.0]))
    (1.03, 0.0)
    """
    if len(path) < FEWEST_FILES:
        return 0.0
    at = np.arange(len(path)) - (len(path) - 1) / 2
    found = float(at @ path / (at @ at))
    rest = path - path.mean() - found * at
    variance = float(rest @ rest / (len(path) - 2) / (at @ at))
    return found * max(0.0, 1 - variance / found**2) if found else 0.0


def _by_file(assessor: Assessor, names: Sequence[str], decision: Recalibration | None) -> dict[str, Floats]:
    """By version, what it costs more than the newest in each of the newest labelled files, oldest first."""
    newest = assessor.served.newest
    files = [_archive_losses(assessor, batch, decision) for batch in assessor.history.newest_pools(TREND_FILES)]
    known = [losses for losses in files if losses is not None]
    return {name: np.array([float((losses[name] - losses[newest]).mean()) for losses in known]) for name in names}
