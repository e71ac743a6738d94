"""The statistics of `--exact` for columns of any length: distinct values in ascending order, a group at a time."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from drift.profiles.grid import TAIL_CELLS, tail_parts
from drift.profiles.grid_counts import GridCounts, in_cells
from drift.statistics.anderson_darling import anderson_darling_score, anderson_darling_sum
from drift.statistics.cramer_von_mises import EXACT_ROWS, cramer_von_mises_score, cramer_von_mises_sums
from drift.statistics.energy_distance import energy_score
from drift.statistics.mann_whitney import mann_whitney_score, mann_whitney_sums
from drift.statistics.scores import Counts, Floats, Score, nothing
from drift.statistics.wasserstein import normalized

MAX_GROUP = 4_000_000
"""Values of a group, and distinct ones in the cells of one."""

Chunks = Callable[[], Iterable[Floats]]
Group = tuple[Floats, Floats, Floats]
"""Distinct values, ascending, and how often each occurs in the reference and now, shape (g,) each."""


class TooManyValues(Exception):
    """More distinct values lie in one cell than are held."""


def exact_scores(before: GridCounts, now: GridCounts, reference: Chunks, current: Chunks) -> dict[str, Score]:
    """Wasserstein and the statistics that `--exact` adds, of columns with these counts that are not empty.

    Each is a sum over the distinct values of both sides in their order, so that no more than a group of neighbouring
    cells is held: the columns are read once for every four million values. Where more distinct ones lie in one cell
    Wasserstein is left out, and the others say why they are null."""
    n, m = before.count, now.count
    if min(n, m) < 2 or max(n, m) <= EXACT_ROWS:
        return _all(nothing("too few values for a long file"))
    sums = _Sums(n, m)
    try:
        for group in _groups(before, now, reference, current):
            sums.add(*group)
    except TooManyValues:
        return _all(nothing(f"more than {MAX_GROUP:,} distinct values lie too close together in a long file"))
    return sums.scores(before.sd)


def _all(score: Score) -> dict[str, Score]:
    return dict.fromkeys(("cramer_von_mises", "anderson_darling", "mann_whitney", "energy_distance"), score)


class _Sums:
    """Of all groups so far."""

    def __init__(self, n: int, m: int) -> None:
        self.n, self.m = n, m
        self.below = self.now_below = self.area = self.squared = self.apart = self.weighted = 0.0
        self.pairs = np.zeros(2)
        self.between = np.zeros(2)
        self.last: float | None = None
        self.values = 0

    def add(self, points: Floats, f: Floats, c: Floats) -> None:
        """The next group, all of whose values are larger."""
        if not len(points):
            return
        self.between += cramer_von_mises_sums(f, c, self.below, self.now_below, self.n, self.m)
        self.weighted += anderson_darling_sum(f, c, self.below, self.now_below, self.n, self.m)
        self.pairs += mann_whitney_sums(f, c, self.below)
        before = np.concatenate([[self.below], self.below + np.cumsum(f)]) / self.n
        now = np.concatenate([[self.now_below], self.now_below + np.cumsum(c)]) / self.m
        with np.errstate(over="ignore", invalid="ignore"):
            gaps = np.diff(points, prepend=points[0] if self.last is None else self.last)
            self.area += float(np.sum(np.abs(before - now)[:-1] * gaps))
            self.squared += float(np.sum((before - now)[:-1] ** 2 * gaps))
            self.apart += float(np.sum((before * (1 - now) + now * (1 - before))[:-1] * gaps))
        self.below += float(f.sum())
        self.now_below += float(c.sum())
        self.last = float(points[-1])
        self.values += len(points)

    def scores(self, sd: float) -> dict[str, Score]:
        """Of all values."""
        (between, ties), (larger, tied) = self.between.tolist(), self.pairs.tolist()
        constant = nothing("constant: one value on both sides")
        return {
            "wasserstein": normalized(self.area, sd),
            "cramer_von_mises": cramer_von_mises_score(between, ties, self.n, self.m),
            "anderson_darling": constant if self.values < 2 else anderson_darling_score(self.weighted, self.n, self.m),
            "mann_whitney": mann_whitney_score(larger, tied, self.values, self.n, self.m),
            "energy_distance": energy_score(self.squared, self.apart),
        }


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
