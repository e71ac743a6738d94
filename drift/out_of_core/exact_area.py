"""The exact Wasserstein distance of columns of any length: distinct values in ascending order, a group at a time."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from drift.profiles.grid import Grid
from drift.profiles.grid_counts import GridCounts, in_cells
from drift.statistics.scores import Floats

MAX_GROUP = 4_000_000
"""Values of a group, and distinct ones of a cell that holds more: 32 MB, and as much for each side's counts."""

Chunks = Callable[[], Iterable[Floats]]
Group = tuple[Floats, Floats, Floats]
"""Distinct values, ascending, and how often each occurs in the reference and now, shape (g,) each."""


class TooManyValues(Exception):
    """More distinct values lie in one cell than are held."""


def exact_area(before: GridCounts, now: GridCounts, reference: Chunks, current: Chunks) -> float | None:
    """∫|F − G| of columns with these counts that are not empty.

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
    return area


def _groups(before: GridCounts, now: GridCounts, reference: Chunks, current: Chunks) -> Iterator[Group]:
    sizes = before.counts + now.counts
    filled = np.flatnonzero(sizes)
    heap = np.cumsum(sizes[filled])
    start = 0
    while start < len(filled):
        held = int(heap[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(heap, held + MAX_GROUP, side="right")))
        chosen = np.zeros(len(sizes), dtype=bool)
        chosen[filled[start:stop]] = True
        yield _group(before.grid, chosen, (reference, current))
        start = stop


def _group(grid: Grid, chosen: NDArray[np.bool_], sides: tuple[Chunks, Chunks]) -> Group:
    """The distinct values in the chosen cells and how often each occurs on either side."""
    pieces = [(np.zeros(0), np.zeros((0, 2)))]
    held = 0
    for side, chunks in enumerate(sides):
        for chunk in chunks():
            values, many = np.unique(in_cells(grid, [chunk], chosen), return_counts=True)
            pieces.append((values, many[:, None] * np.eye(2)[side]))
            held += len(values)
            if held > 2 * MAX_GROUP:
                pieces = [_summed(pieces)]
                held = len(pieces[0][0])
                if held > MAX_GROUP:
                    raise TooManyValues
    points, often = _summed(pieces)
    return points, often[:, 0], often[:, 1]


def _summed(pieces: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    values, place = np.unique(np.concatenate([values for values, _ in pieces]), return_inverse=True)
    often = np.zeros((len(values), 2))
    np.add.at(often, place, np.concatenate([often for _, often in pieces]))
    return values, often
