"""The mergeable summary of a numeric column."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from drift.profiles.grid import grid_for
from drift.profiles.grid_counts import GridCounts, combine, count
from drift.statistics.samples import Sample
from drift.statistics.scores import Counts, Floats

MAX_VALUES = 1_000_000
GRID_ROWS = 20_000
"""From so many rows on, counting on a grid is faster than sorting."""


@dataclass(frozen=True, eq=False)
class NumericProfile:
    """Counts and moments (exact), and the sorted finite values (exact up to `max_values` of them, beyond it
    evenly spaced order statistics). `count` is of finite values, `m2` the sum of squared deviations, `rank_error` the
    most that the distribution function of `values` is off; `grid` are counts of all values, where they are many."""

    count: int
    missing: int
    infinite: int
    minimum: float
    maximum: float
    mean: float
    m2: float
    values: Floats
    max_values: int = MAX_VALUES
    rank_error: float = 0.0
    grid: GridCounts | None = None

    kind: ClassVar[Literal["numeric"]] = "numeric"

    @property
    def rows(self) -> int:
        """All rows, missing and infinite ones too."""
        return self.count + self.missing + self.infinite

    @property
    def sd(self) -> float:
        """Standard deviation (divided by n); NaN of nothing."""
        return math.sqrt(self.m2 / self.count) if self.count else math.nan

    @property
    def exact(self) -> bool:
        """Whether `values` are all finite values."""
        return self.rank_error == 0

    @property
    def arrays(self) -> tuple[Floats | Counts, ...]:
        """All that is as long as its values and its grid, memory-mapped where the reference is."""
        return (self.values,) if self.grid is None else (self.values, self.grid.below, self.grid.tail_sums)

    @property
    def sample(self) -> Sample:
        """The values for the statistics; made anew, so that a profile never holds its prefix sums too."""
        return Sample(self.values)

    def merge(self, other: "NumericProfile") -> "NumericProfile":
        """The profile of both sets of rows together."""
        total = self.count + other.count
        max_values = min(self.max_values, other.max_values)
        values = _merged_values(self, other, max_values)
        mean, m2 = combine(self.count, self.mean, self.m2, other.count, other.mean, other.m2)
        return NumericProfile(
            count=total,
            missing=self.missing + other.missing,
            infinite=self.infinite + other.infinite,
            minimum=float(np.fmin(self.minimum, other.minimum)),
            maximum=float(np.fmax(self.maximum, other.maximum)),
            mean=mean,
            m2=m2,
            values=values,
            max_values=max_values,
            rank_error=_rank_error(self, other, len(values)),
            grid=self.grid.merge(other.grid)
            if self.grid and other.grid and self.grid.grid == other.grid.grid
            else None,
        )


def numeric_profile(values: Floats, max_values: int = MAX_VALUES, grid: bool = False) -> NumericProfile:
    """The profile of `values`, shape (n,), NaN missing; infinities are counted and left out. With `grid`, and at
    least 20,000 values, also their counts on a grid.

    >>> profile = numeric_profile(np.array([3.0, np.nan, 1.0, np.inf]))
    >>> profile.count, profile.missing, profile.infinite, profile.mean, profile.values
    (2, 1, 1, 2.0, array([1., 3.]))
    """
    numbers = np.asarray(values, dtype=np.float64)
    missing = int(np.count_nonzero(np.isnan(numbers)))
    ordered = np.sort(numbers[np.isfinite(numbers)])
    found = len(ordered)
    infinite = len(numbers) - missing - found
    if not found:
        return NumericProfile(0, missing, infinite, math.nan, math.nan, math.nan, 0.0, ordered, max_values)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(ordered.mean())
        m2 = float(np.sum((ordered - mean) ** 2)) if ordered[0] < ordered[-1] else 0.0
    kept = _thin(ordered, np.ones(1), max_values)
    edges = grid_for(Sample(ordered)) if grid and found >= GRID_ROWS else None
    return NumericProfile(
        count=found,
        missing=missing,
        infinite=infinite,
        minimum=float(ordered[0]),
        maximum=float(ordered[-1]),
        mean=mean,
        m2=m2,
        values=kept,
        max_values=max_values,
        rank_error=0.0 if len(kept) == found else 0.5 / len(kept),
        grid=None if edges is None else count(edges, [ordered]),
    )


def _rank_error(a: NumericProfile, b: NumericProfile, kept: int) -> float:
    """The error of a mixture is that of its parts, weighted; keeping every so many-th adds half a step."""
    total = a.count + b.count
    if not total or (a.exact and b.exact and kept == total):
        return 0.0
    return (a.rank_error * a.count + b.rank_error * b.count) / total + 0.5 / kept


def _merged_values(a: NumericProfile, b: NumericProfile, max_values: int) -> Floats:
    values = np.concatenate([a.values, b.values])
    order = np.argsort(values, kind="stable")
    if a.exact and b.exact:
        return _thin(values[order], np.ones(1), max_values)
    weights = np.concatenate([np.full(len(p.values), p.count / max(len(p.values), 1)) for p in (a, b)])
    return _thin(values[order], weights[order], max_values)


def _thin(ordered: Floats, weights: Floats, max_values: int) -> Floats:
    """At most `max_values` order statistics at evenly spaced ranks; `weights` is (1,) where all are equal."""
    if len(ordered) <= max_values and len(weights) == 1:
        return ordered
    keep = min(max_values, len(ordered))
    if len(weights) == 1:
        return ordered[((np.arange(keep) + 0.5) * (len(ordered) / keep)).astype(np.int64)]
    heaped = np.cumsum(weights)
    at = (np.arange(keep) + 0.5) * (heaped[-1] / keep)
    ranks = np.minimum(np.searchsorted(heaped, at, side="left"), len(ordered) - 1)
    return np.asarray(ordered[ranks], dtype=np.float64)
