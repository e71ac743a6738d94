"""What the detectors that warn before they alarm have in common: running means against their best one."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from drift.statistics.scores import Counts, Floats
from drift.streaming.change import Change
from drift.streaming.detector import Detector
from drift.streaming.running import first_true, running_argmin, running_count, running_sum

Mask = NDArray[np.bool_]


class Means(NamedTuple):
    """Shape (n,) each: how many values, and their mean."""

    counts: Counts
    means: Floats


@dataclass(frozen=True, kw_only=True)
class Warned(Detector):
    """Compares the mean of the values since the reset with what it was when `_levels` was lowest.

    Remembered are count and sum of the values since the reset, of those up to the lowest level, and of those up to
    the last one that was calm: neither warning nor alarm.
    """

    seen: int = 0
    count: int = 0
    total: float = 0.0
    low_count: int = 0
    low_total: float = 0.0
    calm_count: int = 0
    calm_total: float = 0.0

    @property
    def warning(self) -> int | None:
        """Where the present warning began, as a position since the start; None without one."""
        return self.seen - self.count + self.calm_count + 1 if self.calm_count < self.count else None

    def advance(self, values: Floats) -> tuple[Self, int, Change | None]:
        """See `Detector.advance`."""
        counts = running_count(self.count, len(values))
        totals = running_sum(self.total, self._checked(values))
        low_counts, low_totals = self._lows(counts, totals)
        now, best = Means(counts[1:], totals[1:] / counts[1:]), _means(low_counts, low_totals)
        alarms, warnings = self._verdicts(now, best)
        alarm = first_true(alarms)
        used = len(values) if alarm is None else alarm + 1
        calm = np.flatnonzero(~(warnings | alarms)[:used])
        calm_at = int(calm[-1]) + 1 if len(calm) else None
        state = replace(
            self,
            seen=self.seen + used,
            count=int(counts[used]),
            total=float(totals[used]),
            low_count=int(low_counts[used - 1]),
            low_total=float(low_totals[used - 1]),
            calm_count=self.calm_count if calm_at is None else int(counts[calm_at]),
            calm_total=self.calm_total if calm_at is None else float(totals[calm_at]),
        )
        return (state, used, None) if alarm is None else (state._reset(), used, state._change())

    @abstractmethod
    def _checked(self, values: Floats) -> Floats:
        """The values that count, shape (n,); ValueError where the method is not made for them."""

    @abstractmethod
    def _levels(self, means: Means) -> Floats:
        """Upper bounds of the means, shape (n,); infinite where they do not count yet."""

    @abstractmethod
    def _verdicts(self, now: Means, best: Means) -> tuple[Mask, Mask]:
        """Alarm? Warning? Shape (n,) each; `best` are the means at the lowest levels so far, 0 of 0 without one."""

    @abstractmethod
    def _split(self) -> tuple[int, float]:
        """How many values precede the estimated change, and their sum."""

    def _lows(self, counts: Counts, totals: Floats) -> tuple[Counts, Floats]:
        """Counts and sums at the lowest level so far, shape (n,) each; what was before is the first candidate."""
        counts, totals = counts.copy(), totals.copy()
        counts[0], totals[0] = self.low_count, self.low_total
        levels = self._levels(_means(counts, totals))
        if not self.low_count:
            levels[0] = np.inf
        lows = running_argmin(levels)[1:]
        found = np.isfinite(levels[lows])
        return np.where(found, counts[lows], 0), np.where(found, totals[lows], 0.0)

    def _change(self) -> Change:
        count, total = self._split()
        before = total / count  # the first value since the reset is never a warning: count > 0
        after = (self.total - total) / (self.count - count)
        offset = self.seen - self.count
        return Change(self.seen, offset + count, self._unit() * before, self._unit() * after, self.warning)

    def _reset(self) -> Self:
        blank = {"count": 0, "total": 0.0, "low_count": 0, "low_total": 0.0, "calm_count": 0, "calm_total": 0.0}
        return replace(self, **blank)  # type: ignore[arg-type]

    def _unit(self) -> float:
        return 1.0


def _means(counts: Counts, totals: Floats) -> Means:
    return Means(counts, totals / np.maximum(counts, 1))
