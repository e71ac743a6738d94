"""The drift detection method: an error rate against the lowest it has been."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from drift.statistics.scores import Floats
from drift.streaming.warned import Mask, Means, Warned


@dataclass(frozen=True, kw_only=True)
class Ddm(Warned):
    """Alarm where p + s > p_min + `alarm` · s_min, warning likewise with `warn` (Gama et al. 2004).

    p is the share of errors among the n values since the reset, s = √(p (1 − p) / n); p_min and s_min are theirs
    where p + s was lowest. The first `min_values`, and all before the first error, are no candidates for that.
    The authors take 30: then the lowest rate is often a lucky start, and an alarm follows without a change.
    Values are errors, 0 or 1 (or anything between). The change is estimated to be where the warning began.

    >>> from drift.streaming import update
    >>> change = update(Ddm(), np.concatenate([np.tile([0.0, 0.0, 1.0], 200), np.ones(100)]))[1]
    >>> change.warning, change.position
    (617, 636)
    """

    kind: ClassVar[str] = "ddm"

    alarm: float = 3.0
    warn: float = 2.0
    min_values: int = 300

    def __post_init__(self) -> None:
        if not 0 < self.warn <= self.alarm or self.min_values < 1:
            raise ValueError("0 < warn ≤ alarm and min_values ≥ 1 are needed")

    def _checked(self, values: Floats) -> Floats:
        if values.min() < 0 or values.max() > 1:
            raise ValueError("DDM takes errors between 0 and 1")
        return values

    def _levels(self, means: Means) -> Floats:
        counts = (means.counts >= self.min_values) & (means.means > 0)
        return np.where(counts, means.means + _sd(means), np.inf)

    def _verdicts(self, now: Means, best: Means) -> tuple[Mask, Mask]:
        level, sd = now.means + _sd(now), _sd(best)
        known = best.counts > 0
        return known & (level > best.means + self.alarm * sd), known & (level > best.means + self.warn * sd)

    def _split(self) -> tuple[int, float]:
        return self.calm_count, self.calm_total


def _sd(means: Means) -> Floats:
    """√(p (1 − p) / n), shape (n,)."""
    p = np.minimum(means.means, 1.0)
    variance: Floats = p * (1 - p) / np.maximum(means.counts, 1)
    return np.sqrt(variance)
