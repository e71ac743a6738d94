"""A fixed grid of cells over the line, which parts the values of any two samples at the same places."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.statistics.samples import Sample
from drift.statistics.scores import Floats

CELLS = 32_768
OCTAVE = 128
OCTAVES = 20
TAIL_CELLS = OCTAVE * OCTAVES
TAIL_SHARES = (0.001, 0.01, 0.05, 0.25)
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

    @property
    def width(self) -> float:
        """Of a central cell, in the column's unit."""
        return 1 / self.scale

    def positions(self, values: Floats, out: Floats | None = None) -> Floats:
        """Of values, shape (n,); NaN and infinities stay what they are."""
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.subtract(values, self.low, out=out)
            return np.multiply(found, self.scale, out=found)

    def beyond(self, positions: Floats) -> NDArray[np.int64]:
        """Which positions of shape (n,), contiguous, lie in no central cell, those that are NaN among them."""
        # As integers, floats from +0 on are in their order, and all others beyond them: one comparison.
        inside = positions.view(np.uint64) < np.float64(self.cells).view(np.uint64)
        found = np.flatnonzero(~inside)
        return np.asarray(found[positions[found] != 0], dtype=np.int64)

    def cells_of(self, positions: Floats) -> NDArray[np.int64]:
        """The cell of each position, shape (n,); NaN has none and must not be among them."""
        outside = self.beyond(positions)
        inside = positions.copy()
        inside[outside] = 0
        found = inside.astype(np.int64) + TAIL_CELLS
        tails = self.tail_cells_of(positions[outside])
        found[outside] = np.where(tails < TAIL_CELLS, tails, tails + self.cells)
        return found

    def tail_cells_of(self, positions: Floats) -> NDArray[np.int64]:
        """The cell of each position beyond the central ones, counted as if there were no central ones."""
        below = positions < 0
        with np.errstate(over="ignore"):
            distance = OCTAVE + np.where(below, -positions, positions - self.cells)
        steps = np.minimum((distance.view(np.int64) >> SHIFT) - FIRST_TAIL, TAIL_CELLS - 1)
        return np.asarray(np.where(below, TAIL_CELLS - 1 - steps, TAIL_CELLS + steps), dtype=np.int64)


@cache
def tail_steps() -> Floats:
    """How far the edges of a tail's cells lie beyond its first one, in central cells, shape (TAIL_CELLS + 1,)."""
    bits = (np.arange(TAIL_CELLS + 1, dtype=np.int64) + FIRST_TAIL) << SHIFT
    return bits.view(np.float64) - OCTAVE


def tail_parts(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of values by cell, those of the lower and of the upper tail; or of values by edge.

    >>> [len(part) for part in tail_parts(np.arange(TAIL_CELLS + 5 + TAIL_CELLS))]
    [2560, 2560]
    """
    return values[:TAIL_CELLS], values[len(values) - TAIL_CELLS :]


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
