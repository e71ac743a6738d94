"""Counts of a column's values in the cells of a grid: they merge exactly and cost far less than a sort."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.profiles.grid import TAIL_CELLS, Grid, tail_parts, tail_steps
from drift.statistics.scores import Counts, Floats

ROWS = 32_768
"""Of so many the arithmetic stays in a core's cache."""
CHUNK = 8 * ROWS
UNTHREADED = 8_192
"""Of longer products BLAS wakes other threads, which cost more than they help."""

Codes = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, eq=False)
class GridCounts:
    """Of finite values: how many lie `below` each edge, shape (size + 1,), and for the cells of both tails the
    `tail_sums` of their positions beyond the cell's lower edge, shape (2 · TAIL_CELLS,).

    `missing`, `infinite` are what was left out; `mean` and `m2` (sum of squared deviations) are in the column's
    unit; `whole` says that all values are integers."""

    grid: Grid
    below: Counts | Floats
    tail_sums: Floats
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

    @property
    def counts(self) -> Counts:
        """Values in each cell, shape (size,)."""
        return np.diff(self.below).astype(np.int64, copy=False)

    @property
    def shares(self) -> Floats:
        """The distribution function at each edge, shape (size + 1,)."""
        return np.asarray(self.below / self.count, dtype=np.float64)

    @property
    def count(self) -> int:
        """Finite values."""
        return int(self.below[-1])

    @property
    def rows(self) -> int:
        """All rows."""
        return self.count + self.missing + self.infinite

    def sizes(self, cells: NDArray[np.int64]) -> Counts:
        """Values in some of the cells, shape (k,) as the cells."""
        return (self.below[cells + 1] - self.below[cells]).astype(np.int64)

    def merge(self, other: "GridCounts") -> "GridCounts":
        """The counts of both; ValueError where the grids differ."""
        if self.grid != other.grid:
            raise ValueError("counts on different grids cannot be merged")
        mean, m2 = combine(self.count, self.mean, self.m2, other.count, other.mean, other.m2)
        with np.errstate(over="ignore", invalid="ignore"):
            sums = self.tail_sums + other.tail_sums
        return GridCounts(
            self.grid,
            self.below + other.below,
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


def count(grid: Grid, chunks: Iterable[Floats]) -> GridCounts:
    """The counts of all chunks of values, each of any length; NaN is missing."""
    total = _Running(grid)
    for piece in pieces(chunks):
        total.add(piece)
    return total.result()


def locate(grid: Grid, chunks: Sequence[Floats]) -> tuple[GridCounts, list[Codes]]:
    """The counts, and the central cell of each value, `grid.cells` where it is in none, by pieces of the chunks."""
    total = _Running(grid)
    codes = [total.add(piece) for piece in pieces(chunks)]
    return total.result(), codes


def pieces(chunks: Iterable[Floats]) -> Iterator[Floats]:
    """The same values in chunks that are not too long."""
    for chunk in chunks:
        for start in range(0, len(chunk), CHUNK):
            yield chunk[start : start + CHUNK]


def in_cells(
    grid: Grid, chunks: Iterable[Floats], chosen: NDArray[np.bool_], located: Sequence[Codes] | None = None
) -> Floats:
    """The finite values of the chunks in the `chosen` cells, shape (size,), ascending. `located` are their codes where
    these are kept."""
    lower, upper = tail_parts(chosen)
    beyond = bool(lower.any() or upper.any())
    central = np.append(chosen[TAIL_CELLS : TAIL_CELLS + grid.cells], beyond)
    kept = [np.zeros(0)]
    if chosen.any():
        known = iter(located) if located is not None else None
        for values in pieces(chunks):
            codes = next(known) if known is not None else _codes(grid, values)
            found = values[np.flatnonzero(central.take(codes))]
            kept.append(_exactly(grid, found, chosen) if beyond else found)
    return np.sort(np.concatenate(kept))


def _exactly(grid: Grid, values: Floats, chosen: NDArray[np.bool_]) -> Floats:
    values = values[np.isfinite(values)]
    return values[chosen[grid.cells_of(grid.positions(values))]]


def _codes(grid: Grid, values: Floats) -> Codes:
    positions = grid.positions(values)
    positions[grid.beyond(positions)] = grid.cells
    return positions.astype(_code_type(grid))


def _code_type(grid: Grid) -> type[np.unsignedinteger[Any]]:
    return np.uint16 if grid.cells < 2**16 else np.uint32


class _Running:
    """Sums over chunks, added up in place."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.positions = np.empty(ROWS)
        self.counts = np.zeros(grid.cells + 1, dtype=np.int64)
        self.tail_counts = np.zeros(2 * TAIL_CELLS, dtype=np.int64)
        self.tail_sums = np.zeros(2 * TAIL_CELLS)
        self.missing = self.infinite = self.finite = 0
        self.mean = self.m2 = 0.0
        self.whole = grid.integral

    def add(self, values: Floats) -> Codes:
        """One chunk: what is central all at once, the few others apart."""
        codes = np.empty(len(values), dtype=_code_type(self.grid))
        others: list[tuple[Floats, Floats]] = []
        for start in range(0, len(values), ROWS):
            few = values[start : start + ROWS]
            self._locate(few, codes[start : start + ROWS], others)
        self.counts += np.bincount(codes, minlength=len(self.counts))
        if others:
            self._beyond(*(np.concatenate(one) for one in zip(*others, strict=True)))
        return codes

    def _locate(self, values: Floats, codes: Codes, others: list[tuple[Floats, Floats]]) -> None:
        grid = self.grid
        positions = grid.positions(values, out=self.positions[: len(values)])
        beyond = grid.beyond(positions)
        if len(beyond):
            others.append((values[beyond], positions[beyond]))
            positions[beyond] = 0.0
        self._moments(len(values) - len(beyond), float(positions.sum()), _squares(positions))
        positions[beyond] = grid.cells + 0.5
        if self.whole:
            self.whole = bool(np.array_equal(np.floor(positions) + 0.5, positions))
        np.copyto(codes, positions, casting="unsafe")

    def _moments(self, n: int, total: float, squares: float) -> None:
        if n:
            mean = total / n
            m2 = max(squares - mean * total, 0.0)
            self.mean, self.m2 = combine(self.finite, self.mean, self.m2, n, mean, m2)
            self.finite += n

    def _beyond(self, values: Floats, positions: Floats) -> None:
        known = np.isfinite(values)
        nothing = int(np.count_nonzero(np.isnan(values)))
        self.missing += nothing
        self.infinite += len(values) - int(np.count_nonzero(known)) - nothing
        kept, steps = positions[known], tail_steps()
        if not len(kept):
            return
        tails = self.grid.tail_cells_of(kept)
        with np.errstate(over="ignore", invalid="ignore"):
            lower = tails < TAIL_CELLS
            edges = np.where(lower, -steps[TAIL_CELLS - tails], self.grid.cells + steps[tails - TAIL_CELLS])
            self.tail_counts += np.bincount(tails, minlength=2 * TAIL_CELLS)
            self.tail_sums += np.bincount(tails, weights=kept - edges, minlength=2 * TAIL_CELLS)
            mean = float(kept.mean())
            m2 = float(np.sum((kept - mean) ** 2))
            self.mean, self.m2 = combine(self.finite, self.mean, self.m2, len(kept), mean, m2)
        self.finite += len(kept)
        self.whole = self.whole and bool(np.array_equal(values[known], np.rint(values[known])))

    def result(self) -> GridCounts:
        """Frozen, the moments in the column's unit."""
        grid, (lower, upper) = self.grid, tail_parts(self.tail_counts)
        below = np.zeros(grid.size + 1, dtype=np.int64)
        np.cumsum(np.concatenate([lower, self.counts[:-1], upper]), out=below[1:])
        mean = grid.low + self.mean / grid.scale if self.finite else math.nan
        m2 = self.m2 / grid.scale / grid.scale
        return GridCounts(grid, below, self.tail_sums, self.missing, self.infinite, mean, m2, self.whole)


def _squares(values: Floats) -> float:
    parts = (values[start : start + UNTHREADED] for start in range(0, len(values), UNTHREADED))
    return float(sum(part @ part for part in parts))
