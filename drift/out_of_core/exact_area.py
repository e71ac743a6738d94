"""The exact Wasserstein distance of columns of any length: distinct values in ascending order, a group at a time."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from drift.profiles.grid import TAIL_CELLS, tail_parts
from drift.profiles.grid_counts import GridCounts, in_cells
from drift.statistics.scores import Counts, Floats

MAX_GROUP = 4_000_000
"""Values of a group, and distinct ones in the cells of one: 32 MB each."""

Chunks = Callable[[], Iterable[Floats]]
Group = tuple[Floats, Floats, Floats]
"""Distinct values, ascending, and how often each occurs in the reference and now, shape (g,) each."""


class TooManyValues(Exception):
    """More distinct values lie in one cell than are held."""


def exact_area(before: GridCounts, now: GridCounts, reference: Chunks, current: Chunks) -> tuple[float, float] | None:
    """∫|F − G| of columns with these counts that are not empty, and its error, 0.

    A sum over the distinct values of both sides in their order, so that no more than a group of neighbouring cells is
    held: the columns are read once for every four million values. None where more distinct ones lie in one cell."""
    area, below, now_below = 0.0, 0.0, 0.0
    last: float | None = None
    try:
        for points, f, c in _groups(before, now, reference, current):
            if not len(points):
                continue
            left = np.cumsum(np.concatenate([[below], f])) / before.count
            right = np.cumsum(np.concatenate([[now_below], c])) / now.count
            with np.errstate(over="ignore", invalid="ignore"):
                gaps = np.diff(points, prepend=points[0] if last is None else last)
                area += float(np.sum(np.abs(left - right)[:-1] * gaps))
            below, now_below, last = below + float(f.sum()), now_below + float(c.sum()), float(points[-1])
    except TooManyValues:
        return None
    return area, 0.0


def _groups(before: GridCounts, now: GridCounts, reference: Chunks, current: Chunks) -> Iterator[Group]:
    sizes = before.counts + now.counts
    if before.whole and now.whole and not any(tail.any() for tail in tail_parts(sizes)):
        yield _integers(before, now)
        return
    filled = np.flatnonzero(sizes)
    heap = np.cumsum(sizes[filled])
    start = 0
    while start < len(filled):
        held = int(heap[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(heap, held + MAX_GROUP, side="right")))
        chosen = np.zeros(len(sizes), dtype=bool)
        chosen[filled[start:stop]] = True
        yield _merged(*(_distinct(before, chunks, chosen) for chunks in (reference, current)))
        start = stop


def _integers(before: GridCounts, now: GridCounts) -> Group:
    """Each cell is one integer: the counts tell all."""
    grid, cells = before.grid, slice(TAIL_CELLS, TAIL_CELLS + before.grid.cells)
    f, c = before.counts[cells].astype(np.float64), now.counts[cells].astype(np.float64)
    found = np.flatnonzero(f + c)
    points: Floats = grid.low + 0.5 + found.astype(np.float64)
    return points, f[found], c[found]


def _distinct(counts: GridCounts, chunks: Chunks, chosen: NDArray[np.bool_]) -> tuple[Floats, Counts]:
    """The distinct values in the chosen cells and how often each occurs."""
    pieces: list[tuple[Floats, Counts]] = []
    held = 0
    for chunk in chunks():
        values, often = np.unique(in_cells(counts.grid, [chunk], chosen), return_counts=True)
        pieces.append((values, often.astype(np.int64)))
        held += len(values)
        if held > 2 * MAX_GROUP:
            pieces = [_summed(pieces)]
            held = len(pieces[0][0])
            if held > MAX_GROUP:
                raise TooManyValues
    return _summed(pieces)


def _summed(pieces: list[tuple[Floats, Counts]]) -> tuple[Floats, Counts]:
    if not pieces:
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    values, place = np.unique(np.concatenate([values for values, _ in pieces]), return_inverse=True)
    often = np.zeros(len(values), dtype=np.int64)
    np.add.at(often, place, np.concatenate([often for _, often in pieces]))
    return values, often


def _merged(left: tuple[Floats, Counts], right: tuple[Floats, Counts]) -> Group:
    points = np.union1d(left[0], right[0])
    counted = []
    for values, often in (left, right):
        found = np.zeros(len(points))
        found[np.searchsorted(points, values)] = often
        counted.append(found)
    return points, counted[0], counted[1]
