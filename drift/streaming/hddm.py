"""HDDM_A: two averages and Hoeffding's bound."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from drift.statistics.scores import Floats
from drift.streaming.warned import Mask, Means, Warned


@dataclass(frozen=True, kw_only=True)
class Hddm(Warned):
    """Alarm where the mean of all n values exceeds that of the first c by √((n − c) / (2 n c) · ln(1 / alarm)).

    c is where the mean plus its bound √(ln(1 / alarm) / (2 c)) was lowest since the reset; a warning likewise with
    `warn` instead of `alarm`: HDDM with the A-test, one-sided (Frías-Blanco et al. 2015; Hoeffding 1963). Values lie
    between 0 and `span`; greater ones count as `span`. Rises alarm, falls do not.

    >>> from drift.streaming import update
    >>> change = update(Hddm(), np.repeat([0.0, 1.0], 100))[1]
    >>> change.start, change.before, change.after
    (100, 0.0, 1.0)
    """

    kind: ClassVar[str] = "hddm"

    alarm: float = 1e-3
    warn: float = 5e-3
    span: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.alarm <= self.warn < 1 or self.span <= 0:
            raise ValueError("0 < alarm ≤ warn < 1 and span > 0 are needed")

    def _checked(self, values: Floats) -> Floats:
        if values.min() < 0:
            raise ValueError("HDDM takes values from 0 on")
        return np.minimum(values / self.span, 1.0)

    def _levels(self, means: Means) -> Floats:
        return means.means + np.sqrt(-math.log(self.alarm) / (2 * np.maximum(means.counts, 1)))

    def _verdicts(self, now: Means, best: Means) -> tuple[Mask, Mask]:
        later = now.counts - best.counts
        bound = np.sqrt(later / (2.0 * now.counts * best.counts))
        rise = now.means - best.means
        alarm, warning = (math.sqrt(-math.log(level)) * bound for level in (self.alarm, self.warn))
        return (later > 0) & (rise >= alarm), (later > 0) & (rise >= warning)

    def _split(self) -> tuple[int, float]:
        return self.low_count, self.low_total

    def _unit(self) -> float:
        return self.span
