"""Numeric columns compared on the reference's grid: exact KS distance and bin counts, Wasserstein within a bound.

A cell whose bound on |F − G| stays below the largest |F − G| at an edge cannot hold the supremum; only values in
the other cells are sorted. Two reads of the current values, no sort of all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drift.profiles.grid import TAIL_CELLS, tail_steps
from drift.profiles.grid_counts import GridCounts
from drift.statistics.bins import decile_edges
from drift.statistics.samples import Sample
from drift.statistics.scores import Counts, Floats

OPENED = 65_536
"""So many of the reference's values are copied together; among more they are looked up where they lie."""

Within = Callable[[NDArray[np.bool_]], Floats]
"""The current values in chosen cells, shape (size,), ascending."""


@dataclass(frozen=True)
class Distances:
    """`ks` exact; `wasserstein` in the column's unit, off by at most `error`; `current_bins` are exact counts
    between `decile_edges` of the reference."""

    ks: float
    wasserstein: float
    error: float
    reference_bins: Counts
    current_bins: Counts


def distances(reference: Sample, known: GridCounts, current: GridCounts, within: Within) -> Distances:
    """Compare `current`, the counts of the values that `within` reads again, with the sorted `reference`, whose counts
    are `known`."""
    before, now = known.shares, current.shares
    gaps = now - before
    lower = float(np.abs(gaps, out=gaps).max())
    del gaps
    single = known.grid.integral and known.whole and current.whole
    edges = decile_edges(reference)
    edge_cells = known.grid.cells_of(known.grid.positions(edges))
    if single:
        distance = lower
        ranks = [side.below[edge_cells + (edges == np.rint(edges))] for side in (known, current)]
    else:
        undecided = np.flatnonzero(upper_bound(before, now) > lower)
        undecided = undecided[current.sizes(undecided) > 0]
        cells = np.union1d(undecided, edge_cells)
        old, new = _open(cells, reference, known, current, within)
        distance = max(lower, largest_inside(old, new, len(reference), current.count))
        at = np.searchsorted(cells, edge_cells)
        ranks = [side.ranks(edges, at, "right") for side in (old, new)]
    area, error = area_between(known, current, before, now, single)
    return Distances(
        ks=min(distance, 1.0),
        wasserstein=area,
        error=error,
        reference_bins=_per_bin(ranks[0], len(reference)),
        current_bins=_per_bin(ranks[1], current.count),
    )


def upper_bound(before: Floats, now: Floats) -> Floats:
    """Within a cell, between its edges a and b, |F − G| ≤ max(F(b) − G(a), G(b) − F(a)); shares at the edges, shape
    (size + 1,); result of shape (size,)."""
    return np.asarray(np.maximum(before[1:] - now[:-1], now[1:] - before[:-1]), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Opened:
    """One side's sorted `values` in k open cells, `sizes` of them a cell, shape (k,); `offsets`, shape (k,), is how
    many more of all its values lie below each of these cells."""

    values: Floats
    sizes: Counts
    offsets: Counts

    def ranks(self, points: Floats, at: NDArray[np.int64], side: Literal["left", "right"]) -> Counts:
        """How many of all values lie below each point ("left") or up to it ("right"); `at` is which of the open
        cells has it."""
        return np.asarray(np.searchsorted(self.values, points, side) + self.offsets[at], dtype=np.int64)


def opened(values: Floats, cells: NDArray[np.int64], counts: GridCounts) -> Opened:
    """Of the side with these counts, whose sorted values in the ascending cells, shape (k,), are given."""
    sizes = counts.sizes(cells)
    return Opened(values, sizes, counts.below[cells].astype(np.int64) - np.cumsum(sizes) + sizes)


def _open(
    cells: NDArray[np.int64], reference: Sample, known: GridCounts, current: GridCounts, within: Within
) -> tuple[Opened, Opened]:
    chosen = np.zeros(known.grid.size, dtype=bool)
    chosen[cells] = True
    new = opened(within(chosen), cells, current)
    sizes = known.sizes(cells)
    if len(reference) != known.count or sizes.sum() > OPENED:
        return Opened(reference.values, sizes, np.zeros(len(cells), dtype=np.int64)), new
    first = np.flatnonzero(np.diff(cells, prepend=-2) > 1)
    stops = known.below[np.append(cells[first[1:] - 1], cells[-1]) + 1]
    runs = zip(known.below[cells[first]].tolist(), stops.tolist(), strict=True)
    return opened(np.concatenate([reference.values[int(a) : int(b)] for a, b in runs]), cells, known), new


def largest_inside(old: Opened, new: Opened, n: int, m: int) -> float:
    """The largest |F − G| at a current value of an open cell; see `drift.statistics.ks`."""
    values = new.values
    if not len(values):
        return 0.0
    at = np.repeat(np.arange(len(new.sizes)), new.sizes)
    ranks = np.arange(len(values)) + new.offsets[at]
    first = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    last = np.append(first[1:], len(values)) - 1
    points, at = values[first], at[first]
    up_to, below = old.ranks(points, at, "right"), old.ranks(points, at, "left")
    return float(max(np.max((ranks[last] + 1) / m - up_to / n), np.max(below / n - ranks[first] / m)))


def area_between(
    known: GridCounts, current: GridCounts, before: Floats, now: Floats, single: bool
) -> tuple[float, float]:
    """∫|F − G| and a bound on its error; `before` and `now` are the shares of both.

    Over a central cell the mean of |F − G| at its edges is off by at most half of what F and G grow there: |F − G|
    moves no faster than F and G together, from either edge. So all of them together are off by at most one width.
    Cells of a `single` integer hold both steps in their middle: that mean is exact. See `_tail` for the tails."""
    grid, centre = known.grid, slice(TAIL_CELLS, TAIL_CELLS + known.grid.cells + 1)
    gaps = now[centre] - before[centre]
    np.abs(gaps, out=gaps)
    area = grid.width * float(gaps.sum() - (gaps[0] + gaps[-1]) / 2)
    grown = sum(side[TAIL_CELLS + grid.cells] - side[TAIL_CELLS] for side in (before, now))
    error = grid.width * float(grown) / 2
    for lower in (True, False):
        more, unsure = _tail(known, current, before, now, lower)
        area, error = area + more, error + unsure
    if not np.isfinite(area):
        return area, np.inf
    return (area, 0.0) if single else (area, error)


def _tail(known: GridCounts, current: GridCounts, before: Floats, now: Floats, lower: bool) -> tuple[float, float]:
    """∫|F − G| over one tail and a bound on its error.

    The sums give ∫F and ∫G over each cell exactly, so that the area is exact wherever F − G keeps its sign. Where
    it may change, |∫(F − G)| is too small by at most twice the smaller of the two one-sided excesses. The outermost
    cell has no end: nothing is known of it where both sides have values there."""
    size = len(before) - 1
    edges = slice(0, TAIL_CELLS + 1) if lower else slice(size - TAIL_CELLS, size + 1)
    sums = slice(0, TAIL_CELLS) if lower else slice(TAIL_CELLS, 2 * TAIL_CELLS)
    widths = np.diff(tail_steps()) * known.grid.width
    if lower:
        widths = widths[::-1]
    f, g = before[edges], now[edges]
    with np.errstate(invalid="ignore", over="ignore"):
        beyond = known.tail_sums[sums] / known.count - current.tail_sums[sums] / current.count
        pieces = np.abs(widths * (f[1:] - g[1:]) - beyond * known.grid.width)
    one, other = f[1:] - g[:-1], g[1:] - f[:-1]
    error = np.maximum(np.minimum(2 * np.minimum(one, other), one + other), 0.0) * widths
    last = slice(0, 2) if lower else slice(-2, None)
    if np.diff(f[last])[0] > 0 and np.diff(g[last])[0] > 0:
        return float(pieces.sum() + error.sum() / 2), np.inf
    return float(pieces.sum() + error.sum() / 2), float(error.sum() / 2)


def _per_bin(up_to: Counts, total: int) -> Counts:
    return np.diff(np.concatenate([[0], up_to, [total]])).astype(np.int64)
