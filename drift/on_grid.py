"""Numeric columns compared on the reference's grid: exact KS distance and bin counts, Wasserstein within a bound.

A cell whose bound on |F − G| stays below the largest |F − G| at an edge cannot hold the supremum; only values in
the other cells are sorted. Two reads of the current values, no sort of all of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift.bins import decile_edges
from drift.grid import CHUNK, TAIL_CELLS, GridCounts
from drift.samples import Sample
from drift.scores import Counts, Floats


@dataclass(frozen=True)
class Distances:
    """`ks` exact; `wasserstein` in the column's unit, off by at most `error`; `current_bins` are exact counts
    between `decile_edges` of the reference."""

    ks: float
    wasserstein: float
    error: float
    reference_bins: Counts
    current_bins: Counts


def distances(
    reference: Sample, known: GridCounts, current: GridCounts, chunks: Callable[[], Iterable[Floats]]
) -> Distances:
    """Compare `current`, the counts of `chunks`, with the sorted `reference`, whose counts are `known`."""
    edges = decile_edges(reference)
    edge_cells = known.grid.cells_of(known.grid.positions(edges))
    gap = current.shares - known.shares
    lower = float(np.max(np.abs(gap)))
    single = known.grid.integral and known.whole and current.whole
    open_cells = np.zeros(known.grid.size, dtype=bool)
    if not single:
        open_cells = (current.counts > 0) & (upper_bound(known, current) > lower)
        open_cells[edge_cells] = True
    values = _in_cells(open_cells, known, chunks())
    distance = max(lower, _largest_inside(values, open_cells, reference, current))
    binned = _up_to(edges, edge_cells, values, open_cells, current, single)
    area, error = area_between(known, current, single)
    return Distances(
        ks=min(distance, 1.0),
        wasserstein=area,
        error=error,
        reference_bins=_per_bin(np.searchsorted(reference.values, edges, side="right"), len(reference)),
        current_bins=_per_bin(binned, current.count),
    )


def upper_bound(known: GridCounts, current: GridCounts) -> Floats:
    """Within a cell, between its edges a and b, |F − G| ≤ max(F(b) − G(a), G(b) − F(a)); shape (size,)."""
    before, now = known.shares, current.shares
    return np.asarray(np.maximum(before[1:] - now[:-1], now[1:] - before[:-1]), dtype=np.float64)


def _in_cells(chosen: NDArray[np.bool_], known: GridCounts, chunks: Iterable[Floats]) -> Floats:
    """The values in chosen cells, ascending."""
    grid, kept = known.grid, [np.zeros(0)]
    if chosen.any():
        for chunk in chunks:
            for start in range(0, len(chunk), CHUNK):
                values = chunk[start : start + CHUNK]
                known_ones = np.isfinite(values)
                finite = values if known_ones.all() else values[known_ones]
                kept.append(finite[chosen.take(grid.cells_of(grid.positions(finite)))])
    return np.sort(np.concatenate(kept))


def _starts(values: Floats, chosen: NDArray[np.bool_], current: GridCounts) -> NDArray[np.int64]:
    """How many current values lie below each of the sorted `values` of the chosen cells, were they all distinct."""
    cells = np.flatnonzero(chosen)
    sizes = current.counts[cells]
    offset = current.below[cells] - np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return np.asarray(np.arange(len(values)) + np.repeat(offset, sizes), dtype=np.int64)


def _largest_inside(values: Floats, chosen: NDArray[np.bool_], reference: Sample, current: GridCounts) -> float:
    """The largest |F − G| at a current value of a chosen cell; see `drift.ks`."""
    if not len(values):
        return 0.0
    n, m = len(reference), current.count
    ranks = _starts(values, chosen, current)
    first = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    last = np.concatenate([first[1:], [len(values)]]) - 1
    up_to = np.searchsorted(reference.values, values[first], side="right")
    below = np.searchsorted(reference.values, values[first], side="left")
    return float(max(np.max((ranks[last] + 1) / m - up_to / n), np.max(below / n - ranks[first] / m)))


def _up_to(
    edges: Floats,
    cells: NDArray[np.int64],
    values: Floats,
    chosen: NDArray[np.bool_],
    current: GridCounts,
    single: bool,
) -> Counts:
    """How many current values are ≤ each edge, exactly."""
    if single:
        return np.asarray(current.below[cells + (edges == np.rint(edges))], dtype=np.int64)
    opened = np.concatenate([[0], np.cumsum(np.where(chosen, current.counts, 0))])
    within = np.searchsorted(values, edges, side="right") - opened[cells]
    return np.asarray(current.below[cells] + within, dtype=np.int64)


def _per_bin(up_to: Counts, total: int) -> Counts:
    return np.diff(np.concatenate([[0], up_to, [total]])).astype(np.int64)


def area_between(known: GridCounts, current: GridCounts, single: bool) -> tuple[float, float]:
    """∫|F − G| and a bound on its error.

    The sums give ∫F and ∫G over each cell exactly, so that the area is exact wherever F − G keeps its sign. Where
    it may change, |∫(F − G)| is too small by at most twice the smaller of the two one-sided excesses. A cell of a
    `single` integer holds both steps in its middle."""
    width, before, now = known.grid.widths, known.shares, current.shares
    with np.errstate(invalid="ignore"):
        pieces = np.abs(known.areas - current.areas)
    if single:
        gap = np.abs(before - now)
        centre = slice(TAIL_CELLS, TAIL_CELLS + known.grid.cells)
        pieces[centre] = (width * (gap[1:] + gap[:-1]) / 2)[centre]
        area = float(pieces.sum())
        return area, 0.0 if np.isfinite(area) else np.inf
    one, other = before[1:] - now[:-1], now[1:] - before[:-1]
    error = np.minimum(one, other)
    np.multiply(error, 2, out=error)
    np.add(one, other, out=one)
    np.minimum(error, one, out=error)
    np.maximum(error, 0.0, out=error)
    np.multiply(error, width, out=error)
    ends = [0, -1]
    apart = not np.any((known.counts[ends] > 0) & (current.counts[ends] > 0))
    area = float(pieces.sum() + error.sum() / 2)
    return area, float(error.sum() / 2) if apart and np.isfinite(area) else np.inf
