"""A fixed grid of cells over the line: counts on shared edges that merge exactly and cost far less than a sort."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.samples import Sample
from drift.scores import Counts, Floats

CELLS = 32_768
OCTAVE = 128
OCTAVES = 20
TAIL_CELLS = OCTAVE * OCTAVES
TAIL_SHARES = (0.001, 0.01, 0.05, 0.25)
CHUNK = 131_072
SHIFT = 52 - (OCTAVE.bit_length() - 1)
FIRST_TAIL = int(np.float64(OCTAVE).view(np.int64)) >> SHIFT
PROBE = 10_000
SMALLEST_SPAN = 1e-290


@dataclass(frozen=True)
class Grid:
    """`cells` of one width from `low` on; beyond both ends 128 more of them, then 128 of twice the width, and so on.

    A value's position is (value − low) · scale, in cells. Rounding keeps its order, so that the cells part the
    values of any two samples at the same places and both distribution functions are exact there. `integral` says
    that every cell is one integer."""

    low: float
    scale: float
    cells: int
    integral: bool = False

    @property
    def size(self) -> int:
        """All cells, those of both tails too."""
        return self.cells + 2 * TAIL_CELLS

    @cached_property
    def edges(self) -> Floats:
        """Positions of the cells' edges, shape (size + 1,), ascending."""
        bits = (np.arange(TAIL_CELLS + 1, dtype=np.int64) + FIRST_TAIL) << SHIFT
        beyond = bits.view(np.float64) - OCTAVE
        return np.concatenate([-beyond[:0:-1], np.arange(self.cells + 1.0), self.cells + beyond[1:]])

    @cached_property
    def widths(self) -> Floats:
        """In the column's unit, shape (size,)."""
        return np.diff(self.edges) / self.scale

    def positions(self, values: Floats) -> Floats:
        """Of values, shape (n,); NaN and infinities stay what they are."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray((values - self.low) * self.scale, dtype=np.float64)

    def cells_of(self, positions: Floats) -> NDArray[np.int64]:
        """The cell of each position, shape (n,); NaN has none and must not be among them."""
        inside = (positions >= 0) & (positions < self.cells)
        found = np.where(inside, positions, 0).astype(np.int64) + TAIL_CELLS
        outside = np.flatnonzero(~inside)
        if len(outside):
            found[outside] = self._tail_cells(positions[outside])
        return found

    def _tail_cells(self, positions: Floats) -> NDArray[np.int64]:
        below = positions < 0
        with np.errstate(over="ignore"):
            distance = OCTAVE + np.where(below, -positions, positions - self.cells)
        steps = (np.ascontiguousarray(distance).view(np.int64) >> SHIFT) - FIRST_TAIL
        steps = np.minimum(steps, TAIL_CELLS - 1)
        cells = np.where(below, TAIL_CELLS - 1 - steps, TAIL_CELLS + self.cells + steps)
        return np.asarray(cells, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class GridCounts:
    """Of finite values: `counts` a cell and `sums` of their positions beyond the cell's lower edge, shape (size,).

    `missing`, `infinite` are what was left out; `mean` and `m2` (sum of squared deviations) are in the column's
    unit; `whole` says that all values are integers."""

    grid: Grid
    counts: Counts
    sums: Floats
    missing: int
    infinite: int
    mean: float
    m2: float
    whole: bool = False

    kind = "numeric"

    @property
    def sd(self) -> float:
        """Standard deviation (divided by n); NaN of nothing."""
        return math.sqrt(self.m2 / self.count) if self.count else math.nan

    @cached_property
    def below(self) -> Counts:
        """Values below each edge, shape (size + 1,)."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    @cached_property
    def shares(self) -> Floats:
        """The distribution function at each edge, shape (size + 1,)."""
        return self.below / self.count

    @cached_property
    def areas(self) -> Floats:
        """Its integral over each cell, in the column's unit, shape (size,)."""
        with np.errstate(invalid="ignore", over="ignore"):
            return self.grid.widths * self.shares[1:] - self.sums * (1 / (self.grid.scale * self.count))

    @property
    def count(self) -> int:
        """Finite values."""
        return int(self.below[-1])

    @property
    def rows(self) -> int:
        """All rows."""
        return self.count + self.missing + self.infinite

    def merge(self, other: "GridCounts") -> "GridCounts":
        """The counts of both; ValueError where the grids differ."""
        if self.grid != other.grid:
            raise ValueError("counts on different grids cannot be merged")
        mean, m2 = combine(self.count, self.mean, self.m2, other.count, other.mean, other.m2)
        with np.errstate(over="ignore", invalid="ignore"):
            sums = self.sums + other.sums
        return GridCounts(
            self.grid,
            self.counts + other.counts,
            sums,
            self.missing + other.missing,
            self.infinite + other.infinite,
            mean,
            m2,
            self.whole and other.whole,
        )


def combine(n: int, mean: float, m2: float, m: int, other_mean: float, other_m2: float) -> tuple[float, float]:
    """Mean and sum of squared deviations of two groups together (Chan, Golub and LeVeque 1979).

    >>> combine(1, 1.0, 0.0, 1, 3.0, 0.0)
    (2.0, 2.0)
    """
    if not n or not m:
        return (mean, m2) if n else (other_mean, other_m2)
    gap = other_mean - mean
    return mean + gap * m / (n + m), m2 + other_m2 + gap * gap * n * m / (n + m)


def grid_for(reference: Sample, cells: int = CELLS) -> Grid | None:
    """The grid of a sorted reference: one cell an integer where there are few, else `cells` of one width over the
    widest central part of the values that parts them well; None where they are equal or too far apart for floats.

    >>> grid_for(Sample(np.arange(10.0)))
    Grid(low=-0.5, scale=1.0, cells=10, integral=True)
    >>> grid_for(Sample(np.zeros(9))) is None
    True
    """
    values = reference.values
    if not len(values) or values[0] == values[-1]:
        return None
    if float(values[-1]) - float(values[0]) < cells and np.array_equal(values, np.rint(values)):
        return Grid(float(values[0]) - 0.5, 1.0, int(values[-1] - values[0]) + 1, integral=True)
    probe = values[np.unique(np.linspace(0, len(values) - 1, PROBE).astype(np.int64))]
    grids = [grid for share in TAIL_SHARES if (grid := _between(values, share, cells)) is not None]
    crowding = [_crowding(grid, probe) for grid in grids]
    return next((grid for grid, crowded in zip(grids, crowding, strict=True) if crowded <= 4 * min(crowding)), None)


def _between(values: Floats, share: float, cells: int) -> Grid | None:
    """Over all values but this share at both ends."""
    cut = int(len(values) * share)
    low, high = float(values[cut]), float(values[-1 - cut])
    if not high > low or not math.isfinite(high - low) or high - low < SMALLEST_SPAN:
        return None
    return Grid(low, cells / (high - low), cells)


def _crowding(grid: Grid, probe: Floats) -> float:
    """The share of values expected in the cell of one of them."""
    counts = np.bincount(grid.cells_of(grid.positions(probe)))
    return float(np.sum((counts / len(probe)) ** 2))


def count(grid: Grid, chunks: Iterable[Floats]) -> GridCounts:
    """The counts of all chunks of values, each of any length; NaN is missing."""
    total = _Running(grid)
    for chunk in chunks:
        for start in range(0, len(chunk), CHUNK):
            total.add(chunk[start : start + CHUNK])
    return total.result()


class _Running:
    """Sums over chunks, added up in place."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.counts = np.zeros(grid.size, dtype=np.int64)
        self.sums = np.zeros(grid.size)
        self.missing = self.infinite = self.finite = 0
        self.mean = self.m2 = 0.0
        self.whole = grid.integral

    def add(self, values: Floats) -> None:
        """One chunk: what is inside all at once, the few others apart."""
        grid, positions = self.grid, self.grid.positions(values)
        inside = (positions >= 0) & (positions < grid.cells)
        outside = np.flatnonzero(~inside)
        if len(outside):
            self._outside(values[outside], positions[outside])
            positions[outside] = 0.0
        cells = positions.astype(np.intp)
        counts = np.bincount(cells, minlength=grid.cells)
        counts[0] -= len(outside)
        self._moments(len(values) - len(outside), float(positions.sum()), float(positions @ positions))
        positions -= cells
        span = slice(TAIL_CELLS, TAIL_CELLS + grid.cells)
        self.counts[span] += counts
        self.sums[span] += np.bincount(cells, weights=positions, minlength=grid.cells)
        if self.whole:
            positions[outside] = 0.5
            self.whole = bool(np.all(positions == 0.5))

    def _moments(self, n: int, total: float, squares: float) -> None:
        if n:
            mean = total / n
            m2 = max(squares - mean * total, 0.0)
            self.mean, self.m2 = combine(self.finite, self.mean, self.m2, n, mean, m2)
            self.finite += n

    def _outside(self, values: Any, positions: Floats) -> None:
        known = np.isfinite(values)
        nothing = int(np.count_nonzero(np.isnan(values)))
        self.missing += nothing
        self.infinite += len(values) - int(np.count_nonzero(known)) - nothing
        if not known.any():
            return
        kept = positions[known]
        cells = self.grid.cells_of(kept)
        with np.errstate(over="ignore", invalid="ignore"):
            beyond = kept - self.grid.edges[cells]
            self.counts += np.bincount(cells, minlength=self.grid.size)
            self.sums += np.bincount(cells, weights=beyond, minlength=self.grid.size)
            mean = float(kept.mean())
            self.mean, self.m2 = combine(
                self.finite, self.mean, self.m2, len(kept), mean, float(np.sum((kept - mean) ** 2))
            )
        self.finite += len(kept)
        self.whole = self.whole and bool(np.array_equal(values[known], np.rint(values[known])))

    def result(self) -> GridCounts:
        """Frozen, the moments in the column's unit."""
        grid = self.grid
        mean = grid.low + self.mean / grid.scale if self.finite else float("nan")
        m2 = self.m2 / grid.scale / grid.scale
        return GridCounts(grid, self.counts, self.sums, self.missing, self.infinite, mean, m2, self.whole)
