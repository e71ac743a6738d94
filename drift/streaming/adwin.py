"""ADWIN: a window that shrinks where its parts differ."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np

from drift.statistics.scores import Floats
from drift.streaming.change import Change
from drift.streaming.detector import Detector

PER_LEVEL = 5
"""At most so many buckets of each size: a window of n values takes about 5 log₂(n / 5) of them."""

MIN_PART = 5
"""A part of the window with fewer values is not compared."""

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Adwin(Detector):
    """Alarm where two parts of the window have means that differ by more than ε (Bifet and Gavaldà 2007).

    ε = √(2/m σ² L) + 2/3 · span/m · L with 1/m = 1/n₀ + 1/n₁, L = ln(2 ln n / delta), σ² the variance of the
    window of n = n₀ + n₁ values, n₀ older and n₁ newer ones; `span` is the width of the values' range. Compared are
    the parts at every boundary of buckets, whenever the count of values is a multiple of `clock`. After an alarm
    what is older than the boundary of the greatest difference is dropped, until no parts differ: the rest is the
    new window. Rises and falls alarm.

    Level k of `sums` and `spreads`, oldest bucket first, is of buckets of 2^k values: their sum, and their squared
    deviations from their own mean (Datar et al. 2002; Chan et al. 1979).

    >>> from drift.streaming import update
    >>> update(Adwin(), np.repeat([0.0, 1.0], 320))[1]
    Change(position=352, start=320, before=0.0, after=1.0)
    """

    kind: ClassVar[str] = "adwin"

    delta: float = 0.002
    span: float = 1.0
    clock: int = 32
    seen: int = 0
    sums: Rows = ((),)
    spreads: Rows = ((),)

    def __post_init__(self) -> None:
        if not 0 < self.delta < 1 or self.span <= 0 or self.clock < 1:
            raise ValueError("0 < delta < 1, span > 0 and clock ≥ 1 are needed")

    def advance(self, values: Floats) -> tuple["Adwin", int, Change | None]:
        """See `Detector.advance`."""
        window = _Window([list(row) for row in self.sums], [list(row) for row in self.spreads])
        numbers, used, change = values.tolist(), 0, None
        while used < len(numbers) and change is None:
            until = min(used + self.clock - (self.seen + used) % self.clock, len(numbers))
            _insert(window, numbers[used:until])
            used = until
            if (self.seen + used) % self.clock == 0:
                change = self._shrink(window, self.seen + used)
        sums, spreads = (tuple(tuple(row) for row in rows) for rows in window)
        return replace(self, seen=self.seen + used, sums=sums, spreads=spreads), used, change

    def _shrink(self, window: "_Window", seen: int) -> Change | None:
        """Drop the older part while parts differ; the change is where they differed most at first."""
        cut = first = self._cut(window)
        while cut is not None:
            for _ in range(cut.buckets):
                _drop(window)
            cut = self._cut(window)
        return None if first is None else Change(seen, seen - first.newer, first.before, first.after)

    def _cut(self, window: "_Window") -> "_Cut | None":
        """The boundary where the means differ most, as a multiple of ε; None where nowhere by more than it."""
        sizes, sums, spreads = _oldest_first(window)
        older = np.add.accumulate(sizes)
        rows = int(older[-1])
        if rows < 2 * MIN_PART:
            return None
        parts = np.add.accumulate(sums)
        total = parts[-1]
        off = sums / sizes - total / rows
        variance = float(spreads.sum() + sizes @ (off * off)) / rows
        fit = (older >= MIN_PART) & (older <= rows - MIN_PART)
        older, newer = older[fit], rows - older[fit]
        before, after = parts[fit] / older, (total - parts[fit]) / newer
        strict = math.log(2 * math.log(rows) / self.delta)
        inverse = 1 / older + 1 / newer
        excess = np.abs(before - after) / (
            np.sqrt(2 * variance * strict * inverse) + 2 / 3 * self.span * strict * inverse
        )
        if not len(excess) or excess.max() <= 1:
            return None
        best = int(excess.argmax())
        return _Cut(int(np.flatnonzero(fit)[best]) + 1, int(newer[best]), float(before[best]), float(after[best]))


class _Cut(NamedTuple):
    """How many buckets are older than a boundary and how many values are newer, and the means of the parts."""

    buckets: int
    newer: int
    before: float
    after: float


class _Window(NamedTuple):
    """The buckets by level, smallest first, in lists that may be changed."""

    sums: list[list[float]]
    spreads: list[list[float]]


def _insert(window: _Window, values: list[float]) -> None:
    """Add values; where a level has too many buckets its oldest pairs join and move up. As one by one."""
    window.sums[0].extend(values)
    window.spreads[0].extend([0.0] * len(values))
    level = 0
    while len(window.sums[level]) > PER_LEVEL:
        sums, spreads = window.sums[level], window.spreads[level]
        if level + 1 == len(window.sums):
            window.sums.append([])
            window.spreads.append([])
        end = (len(sums) - PER_LEVEL + 1) // 2 * 2
        twice = 2.0 * 2**level
        pairs = list(zip(sums[:end:2], sums[1:end:2], strict=True))
        within = [a + b for a, b in zip(spreads[:end:2], spreads[1:end:2], strict=True)]
        window.sums[level + 1].extend([a + b for a, b in pairs])
        between = [(a - b) ** 2 / twice for a, b in pairs]
        window.spreads[level + 1].extend([a + b for a, b in zip(within, between, strict=True)])
        del sums[:end], spreads[:end]
        level += 1


def _drop(window: _Window) -> None:
    """Remove the oldest bucket, and levels that are empty then."""
    del window.sums[-1][0], window.spreads[-1][0]
    while len(window.sums) > 1 and not window.sums[-1]:
        del window.sums[-1], window.spreads[-1]


def _oldest_first(window: _Window) -> tuple[Floats, Floats, Floats]:
    """Sizes, sums and spreads of the buckets, shape (b,) each."""
    sizes = np.repeat([2.0**level for level in range(len(window.sums))][::-1], [len(row) for row in window.sums[::-1]])
    sums = [number for row in window.sums[::-1] for number in row]
    spreads = [number for row in window.spreads[::-1] for number in row]
    return sizes, np.array(sums), np.array(spreads)
