"""Did the performance of what is served drop? Settled files against those that the same deployment answered before.

The unit is a file, not a row: rows of a file resemble each other, and files differ by more than their rows say. The
variance of a file's score has three parts: that of its rows as if they were independent, that of blocks of consecutive
rows beyond it, and that between files (method of moments, DerSimonian and Laird 1986), which a prior moderates while
files are few (Smyth 2004). `make drops` measures the rate of false alarms and the power."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from retrain.records.predictions import Floats

WINDOWS = (1, 3, 8)
"""The newest files that are compared with those before them: one shows a sudden drop, several a small or slow one."""
PRIOR_FILES, PRIOR_RATIO = 8.0, 1.5
"""Files differ as if eight more had shown so many times the variance of their rows; of streams whose rows do not depend
on each other 1.0 is measured, of flights 1.3 to 4, of electricity prices 10 to 30 (1,000 rows a file, ROC AUC)."""
ENOUGH_FILES, UNKNOWN_RATIO = 2.0, 5.0
"""Before so many differences between files are known, they differ by so much."""
DOUBT_FILES = 2.0
"""What files showed, without the prior, holds where it is more, shrunk as by so many that differ by nothing."""
FOLD_FILES = 12.0
"""What was measured out of fold counts as so many files at most: served files may differ by more."""
RUN_FILES = 2.0
"""So many files in a row resemble each other: the mean of n is as sure as that of n / 2 others."""
UNLIKE = 0.15
"""Standard deviation of the first served files' level around the evaluation's, as a share of the version's skill, its
distance from the naive baseline: held-out rows lie among the training rows, served ones after them."""
MOST_FILES = 200
"""Earlier files that a level is made of."""
TINY = 1e-24


@dataclass(frozen=True)
class Score:
    """The metric of one file's settled rows: `value`, its standard error `se` as if rows were independent, of how many
    `rows`, and `blocks`, how many times larger the variance is by blocks of rows."""

    value: float
    se: float
    rows: int
    blocks: float = 1.0


@dataclass(frozen=True)
class Evaluated:
    """What was known of a deployment before it answered: its score on held-out rows, how far this is from the naive
    baseline's (`skill`, ≥ 0), and the scores out of fold of the files that it was trained on."""

    held_out: Score
    skill: float
    folds: tuple[Score, ...] = ()


@dataclass(frozen=True)
class Drop:
    """By how much the newest `files` files are worse than the `reference` level (standard error `reference_se`), at
    least 0; `p_value` of so large a drop where nothing changed, over all comparisons of a file; `newest_p_value` of the
    newest file alone, 1 where it is not worse by what counts. None where it cannot be told, `reason` says why."""

    dropped: bool = False
    drop: float | None = None
    p_value: float | None = None
    files: int = 1
    reference: float | None = None
    reference_se: float | None = None
    newest_p_value: float | None = None
    reason: str = ""


def judge_drop(
    scores: Sequence[Score], evaluated: Evaluated | None, sign: float, level: float, min_drop: float
) -> Drop:
    """Whether the newest of `scores`, settled files of one deployment, oldest first, show a drop.

    `sign` is 1 where a greater metric is better, else −1; `level` the chance of a false alarm in one file; a drop
    smaller than `min_drop`, in the metric's unit, does not count, and the newest file itself must be so much worse.

    >>> steady = [Score(0.7, 0.016, 1000)] * 6
    >>> judge_drop([*steady, Score(0.6, 0.016, 1000)], None, 1.0, 0.005, 0.02).dropped
    True
    >>> judge_drop([*steady, Score(0.67, 0.016, 1000)], None, 1.0, 0.005, 0.02).dropped
    False
    """
    known = _Known.of(scores[-MOST_FILES:], evaluated, sign)
    looks = [known.compare(size) for size in WINDOWS if size < len(known.own) or (size == 1 and known.levels)]
    if not looks:
        return Drop(reason="there is nothing before it to compare with")
    newest = float(known.own.values[-1])
    counting = [look for look in looks if look.drop >= min_drop and look.level - newest >= min_drop]
    best = min(counting or looks, key=lambda look: look.p_value)
    p_value = min(1.0, best.p_value * len(looks))
    sure = bool(counting) and best.drop > 0 and p_value <= level
    alone = looks[0].p_value if looks[0].drop >= min_drop else 1.0
    return Drop(sure, max(0.0, best.drop), p_value, best.size, sign * best.level, best.level_se, alone)


@dataclass(frozen=True)
class _Look:
    size: int
    drop: float
    p_value: float
    level: float
    level_se: float


@dataclass(frozen=True, eq=False)
class _Files:
    """Values (n,), greater is better, and the variances (n,) of their rows."""

    values: Floats
    variances: Floats

    def __len__(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        """Weighted by precision."""
        return float(np.average(self.values, weights=1 / self.variances))

    @property
    def variance(self) -> float:
        """Of that mean, as far as rows go."""
        return float(1 / (1 / self.variances).sum())

    def part(self, chosen: slice) -> "_Files":
        return _Files(self.values[chosen], self.variances[chosen])


@dataclass(frozen=True, eq=False)
class _Known:
    """The deployment's `own` files, those out of fold, and its level by its evaluation with the variance of that as far
    as files do not differ: one or none."""

    own: _Files
    folds: _Files
    levels: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, scores: Sequence[Score], evaluated: Evaluated | None, sign: float) -> "_Known":
        """Variances are those by blocks, the same share beyond that of independent rows for all; half a file's own,
        half what all tell of so many rows: a low value has a large variance by chance as well. The newest file's blocks
        differ where it drops within."""
        folds = evaluated.folds if evaluated is not None else ()
        every = [*folds, *scores]
        blocks = max(1.0, float(np.mean([score.blocks for score in every[:-1] or every])))
        rows = np.array([score.rows for score in every])
        values, own = np.array([[sign * score.value, blocks * score.se**2] for score in every]).T
        variances = np.maximum((own + (rows @ own) / len(every) / rows) / 2, TINY)
        whole, levels = _Files(values, variances), tuple[tuple[float, float], ...]()
        if evaluated is not None:
            held_out = evaluated.held_out
            unlike = (UNLIKE * evaluated.skill) ** 2
            levels = ((sign * held_out.value, blocks * held_out.se**2 + unlike + TINY),)
        return cls(whole.part(slice(len(folds), None)), whole.part(slice(0, len(folds))), levels)

    def compare(self, size: int) -> _Look:
        """The newest `size` files, which may all be off by the same, with those before them."""
        newest, earlier = (self.own.part(one) for one in (slice(len(self.own) - size, None), slice(-size)))
        between, known = _between(earlier, self.folds, float(newest.variances.mean()))
        level = self._level(earlier, between)
        drop = level.mean - newest.mean
        z = drop / math.sqrt(newest.variance + between + level.variance)
        return _Look(size, drop, float(stdtr(known, -z)), level.mean, math.sqrt(level.variance))

    def _level(self, earlier: _Files, between: float) -> _Files:
        """What the deployment did before: its earlier files, and its evaluation for as much as that says of them."""
        found = [(value, variance + between) for value, variance in self.levels]
        if len(earlier):
            found.append((earlier.mean, earlier.variance + between * min(1.0, RUN_FILES / len(earlier))))
        values, variances = np.array(found).T
        return _Files(values, variances)


def _between(earlier: _Files, folds: _Files, rows_variance: float) -> tuple[float, float]:
    """The variance between files beyond that of their rows, and the degrees of freedom that it is known with."""
    excess = precision = known = 0.0
    for files, most in ((folds, FOLD_FILES), (earlier, math.inf)):
        if len(files) < 2:
            continue
        weights, freedom = 1 / files.variances, len(files) - 1.0
        counts = min(1.0, most / freedom)
        spread = float(weights @ (files.values - files.mean) ** 2)
        excess += counts * (spread - freedom)
        precision += counts * float(weights.sum() - (weights @ weights) / weights.sum())
        known += counts * freedom
    ratio = PRIOR_RATIO if known >= ENOUGH_FILES else UNKNOWN_RATIO
    prior = PRIOR_FILES / rows_variance
    moderated = (excess + PRIOR_FILES * (ratio - 1)) / (precision + prior)
    shown = excess / precision * known / (known + DOUBT_FILES) if known else 0.0
    return max(moderated, shown, 0.0), known + PRIOR_FILES
