"""The Page–Hinkley test: a cumulative sum of deviations from the running mean."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from drift.statistics.scores import Counts, Floats
from drift.streaming.change import Change
from drift.streaming.detector import Detector
from drift.streaming.running import first_true, running_argmin, running_count, running_sum

LARGEST_STEP = 10.0
"""In standard deviations: no single value counts for more, so that one error after long silence is no alarm."""

Direction = Literal["up", "down", "both"]


class Side(NamedTuple):
    """One direction's sum, its minimum, and the count and the sum of the values up to there."""

    height: float = 0.0
    low: float = 0.0
    low_count: int = 0
    low_total: float = 0.0


START = Side()


class _Steps(NamedTuple):
    """By value, shape (n,): its deviation. With what was before, shape (n + 1,): counts, sums and sums of squares."""

    deviations: Floats
    active: Floats
    counts: Counts
    totals: Floats
    squares: Floats


@dataclass(frozen=True)
class PageHinkley(Detector):
    """Alarm where m_t − min m rises above `threshold`, m_t = Σ (z_i − slack) (Page 1954; Hinkley 1971).

    z_i = x_i − x̄_i, x̄_i the mean of the values since the reset up to and with x_i; where `standardise`, divided by
    their standard deviation, and at most 10: `threshold` and `slack` are then standard deviations, else in the unit
    of the values. The first `min_values` only tell mean and deviation. Upward a rise alarms, downward a fall (−z_i).

    >>> from drift.streaming import update
    >>> change = update(PageHinkley(), np.concatenate([np.tile([2.0, 1.0, 0.0], 100), np.full(100, 2.0)]))[1]
    >>> change.start, change.before, change.after
    (300, 1.0, 2.0)
    """

    kind: ClassVar[str] = "page_hinkley"

    threshold: float = 40.0
    slack: float = 0.1
    direction: Direction = "up"
    standardise: bool = True
    min_values: int = 30
    seen: int = 0
    count: int = 0
    origin: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    up: Side = START
    down: Side = START

    def __post_init__(self) -> None:
        if self.threshold <= 0 or self.slack < 0 or self.min_values < 1:
            raise ValueError("threshold and min_values must be positive, slack not negative")
        if self.direction not in ("up", "down", "both"):
            raise ValueError(f"direction is up, down or both, not {self.direction}")
        for name in ("up", "down"):
            object.__setattr__(self, name, Side(*getattr(self, name)))  # JSON gives plain tuples

    def advance(self, values: Floats) -> tuple["PageHinkley", int, Change | None]:
        """See `Detector.advance`."""
        state = self if self.count else replace(self, origin=float(values[0]))
        steps = state._steps(values)
        signs = {"up": (1.0,), "down": (-1.0,), "both": (1.0, -1.0)}[self.direction]
        walks = [_Walk.of(state.up if sign > 0 else state.down, sign * steps.deviations, steps, self) for sign in signs]
        alarms = [(walk.alarm, number) for number, walk in enumerate(walks) if walk.alarm is not None]
        if not alarms:
            return state._after(steps, dict(zip(signs, walks, strict=True))), len(values), None
        place, number = min(alarms)
        change = state._change(steps, walks[number].side(place + 1), place)
        fresh = PageHinkley(self.threshold, self.slack, self.direction, self.standardise, self.min_values)
        return replace(fresh, seen=change.position), place + 1, change

    def _steps(self, values: Floats) -> _Steps:
        shifted = values - self.origin
        counts = running_count(self.count, len(values))
        totals = running_sum(self.total, shifted)
        squares = running_sum(self.squares, shifted * shifted)
        means = totals[1:] / counts[1:]
        active = (counts[1:] > self.min_values).astype(np.float64)
        deviations = (shifted - means) * active
        if self.standardise:
            sd = np.sqrt(np.maximum(squares[1:] / counts[1:] - means * means, 0.0))
            sizes = np.divide(deviations, sd, out=np.zeros_like(sd), where=sd > 0)
            deviations = np.clip(sizes, -LARGEST_STEP, LARGEST_STEP)
        return _Steps(deviations, active, counts, totals, squares)

    def _after(self, steps: _Steps, walks: dict[float, "_Walk"]) -> "PageHinkley":
        used = len(steps.deviations)
        sides = [walks[sign].side(used) if sign in walks else START for sign in (1.0, -1.0)]
        total, squares = float(steps.totals[-1]), float(steps.squares[-1])
        counted = replace(self, seen=self.seen + used, count=self.count + used, total=total, squares=squares)
        return replace(counted, up=sides[0], down=sides[1])

    def _change(self, steps: _Steps, side: Side, place: int) -> Change:
        count, total = int(steps.counts[place + 1]), float(steps.totals[place + 1])
        before = side.low_total / side.low_count
        after = (total - side.low_total) / (count - side.low_count)
        offset = self.seen - self.count
        return Change(offset + count, offset + side.low_count, self.origin + before, self.origin + after)


class _Walk(NamedTuple):
    """One side's sums and where their minima are, shape (n + 1,) each with what was before; the first alarm."""

    was: Side
    heights: Floats
    lows: Counts
    steps: _Steps
    alarm: int | None

    @classmethod
    def of(cls, side: Side, deviations: Floats, steps: _Steps, settings: PageHinkley) -> "_Walk":
        """The walk that goes on from `side`."""
        heights = running_sum(side.height, deviations - settings.slack * steps.active)
        levels = heights.copy()
        levels[0] = side.low
        lows = running_argmin(levels)
        alarm = first_true(heights[1:] - levels[lows[1:]] > settings.threshold)
        return cls(side, heights, lows, steps, alarm)

    def side(self, used: int) -> Side:
        """What to remember after `used` values."""
        low = int(self.lows[used])
        height = float(self.heights[used])
        if low == 0:
            return self.was._replace(height=height)
        return Side(height, float(self.heights[low]), int(self.steps.counts[low]), float(self.steps.totals[low]))
