"""Columns of any length compared in flat memory: counted on one grid, only undecided cells read again."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drift.check.column import judge_column, numeric_report, untestable
from drift.check.on_grid import Opened, area_between, largest_inside, opened, upper_bound
from drift.check.report import ColumnReport
from drift.out_of_core.exact_area import exact_area
from drift.profiles.categorical import MAX_CATEGORIES, CategoricalProfile, Codes, categorical_profile
from drift.profiles.grid import CELLS, Grid, grid_for, tail_parts
from drift.profiles.grid_counts import GridCounts, count, in_cells
from drift.profiles.numeric import NumericProfile, numeric_profile
from drift.profiles.parts import BINS, CATEGORIES, MAX_PARTS, MIN_PART_ROWS, MIN_PARTS, Parts
from drift.statistics.bins import decile_ranks, edges_of
from drift.statistics.samples import sample
from drift.statistics.scores import Counts, Floats
from drift.statistics.shares import share_test
from drift.statistics.statistic import Pair

MAX_CELLS = 2**21
MAX_OPENED = 8_000_000
MAX_READS = 4


@dataclass(frozen=True)
class Stream:
    """`rows` values of one column, missing ones too, read as often as asked: `chunks()` gives them in their order."""

    rows: int
    chunks: Callable[[], Iterable[Floats]]


def judge_streams(
    name: str, reference: Stream, current: Stream, probe: Floats, min_rows: int = 1, exact: bool = False
) -> tuple[ColumnReport, Parts | None]:
    """All tests of one column, and the parts of the reference; `probe` is a sample of the reference's values from all
    over it, which the grid is made for.

    KS and the bins are exact as long as the undecided cells hold at most 8 million values in each of four reads; of
    longer columns KS has an `error`. Wasserstein has its error bound; it is None where the values spread too far. With
    `exact` it has none, see `exact_area`; the statistics of sorted values are None with that reason."""
    rows = max(reference.rows, current.rows)
    grid = grid_for(sample(probe), min(MAX_CELLS, max(CELLS, 2 ** int(np.ceil(np.log2(16 * np.sqrt(rows + 1)))))))
    if grid is None:
        finite = sample(probe).values
        grid = Grid(float(finite[0]) - 0.5 if len(finite) else -0.5, 1.0, 1)
    before, parts = _counted(grid, reference, probe)
    now = count(grid, current.chunks())
    sides = (_summary(before), _summary(now))
    if untestable(*sides, min_rows) is not None or not before.count or not now.count:
        return judge_column(name, *sides, min_rows, exact), parts
    distance, distance_error, bins = _Undecided(before, now, reference, current).resolve()
    tails = sum(int(tail.sum()) for tail in tail_parts(before.counts))
    area, error = area_between(
        before, now, before.shares, now.shares, bool(grid.integral and before.whole and now.whole and not tails)
    )
    if exact and error and (whole := exact_area(before, now, reference.chunks, current.chunks)) is not None:
        area, error = whole, 0.0
    pair = Pair(
        counts=bins,
        rows=(before.count, now.count),
        sd=before.sd,
        distance=distance,
        distance_error=distance_error,
        area=area,
        area_error=error,
    )
    missing = share_test(before.missing, before.rows, now.missing, now.rows)
    return numeric_report(name, *sides, missing, pair, exact), parts


def _summary(counts: GridCounts) -> NumericProfile:
    """The counts and moments as a profile that keeps no values."""
    empty = numeric_profile(np.zeros(0))
    return replace(
        empty, count=counts.count, missing=counts.missing, infinite=counts.infinite, mean=counts.mean, m2=counts.m2
    )


class _Undecided:
    """Reads cells again until none that is left could hold the largest distance."""

    def __init__(self, before: GridCounts, now: GridCounts, reference: Stream, current: Stream) -> None:
        self.before, self.now, self.streams = before, now, (reference, current)
        shares, self.sizes = (before.shares, now.shares), before.counts + now.counts
        self.lower = float(np.max(np.abs(shares[1] - shares[0])))
        self.upper = np.where(self.sizes > 0, upper_bound(*shares), 0.0)
        self.deciles = decile_ranks(before.count)

    def resolve(self) -> tuple[float, float, tuple[Counts, Counts]]:
        """The largest distance, its error, and the counts of both sides between the deciles, whose cells the first read
        takes too."""
        decile_cells = np.searchsorted(self.before.below, self.deciles, side="right") - 1
        cells = self._next(decile_cells)
        old, new = self._read(cells)
        bins = self._bins(cells, decile_cells, old, new)
        self._raise(cells, old, new)
        for _ in range(MAX_READS - 1):
            cells = self._next(np.zeros(0, dtype=np.int64))
            if not len(cells):
                break
            self._raise(cells, *self._read(cells))
        left = float(max(self.upper.max() - self.lower, 0.0))
        return min(self.lower, 1.0), left, bins

    def _next(self, always: NDArray[np.int64]) -> NDArray[np.int64]:
        """These cells, and the most promising others that together hold no more than can be kept."""
        order = np.argsort(-self.upper, kind="stable")
        order = order[self.upper[order] > self.lower]
        sizes = np.cumsum(self.sizes[order])
        return np.union1d(always, order[: max(1, int(np.searchsorted(sizes, MAX_OPENED)))])

    def _read(self, cells: NDArray[np.int64]) -> tuple[Opened, Opened]:
        """Both sides in the chosen cells."""
        chosen = np.zeros(len(self.upper), dtype=bool)
        chosen[cells] = True
        old, new = (in_cells(self.before.grid, stream.chunks(), chosen) for stream in self.streams)
        return opened(old, cells, self.before), opened(new, cells, self.now)

    def _raise(self, cells: NDArray[np.int64], old: Opened, new: Opened) -> None:
        """The largest distance at a value of these cells, which are then decided."""
        self.upper[cells] = 0.0
        self.lower = max(self.lower, largest_inside(old, new, self.before.count, self.now.count))

    def _bins(
        self, cells: NDArray[np.int64], decile_cells: NDArray[np.int64], old: Opened, new: Opened
    ) -> tuple[Counts, Counts]:
        """Counts of both sides between the deciles of the reference; see `drift.statistics.bins`."""
        grid = self.before.grid
        deciles = old.values[self.deciles - old.offsets[np.searchsorted(cells, decile_cells)]]
        edges = edges_of(deciles)
        whole = np.isin(edges, deciles)
        # An edge just below a decile may lie in a cell that is not open: what is below the decile is up to it.
        points = np.where(whole, edges, np.nextafter(edges, np.inf))
        at = np.searchsorted(cells, grid.cells_of(grid.positions(points)))
        counted = []
        for counts, side in ((self.before, old), (self.now, new)):
            ranks = np.where(whole, side.ranks(points, at, "right"), side.ranks(points, at, "left"))
            counted.append(np.diff(np.concatenate([[0], ranks, [counts.count]])).astype(np.int64))
        return counted[0], counted[1]


class _PartTable:
    """Counts by part and bin of a column of so many rows, chunk after chunk; rows without a value have the bin
    `width`."""

    def __init__(self, rows: int, width: int) -> None:
        self.rows, self.width, self.pieces, self.done = max(rows, 1), width, min(MAX_PARTS, rows // MIN_PART_ROWS), 0
        self.table = np.zeros((max(self.pieces, 1), width + 1), dtype=np.int64)

    def add(self, bins: NDArray[np.int64]) -> None:
        """The bins of the next rows, shape (n,)."""
        most, size = len(self.table), self.width + 1
        part = np.minimum((self.done + np.arange(len(bins))) * most // self.rows, most - 1)
        self.table += np.bincount(part * size + bins, minlength=self.table.size).reshape(most, size)
        self.done += len(bins)

    def parts(self, kind: str) -> Parts | None:
        """None where the rows are too few."""
        enough = self.pieces >= MIN_PARTS
        return Parts(kind, self.table[:, : self.width], self.table[:, self.width]) if enough else None


def _counted(grid: Grid, stream: Stream, probe: Floats) -> tuple[GridCounts, Parts | None]:
    """The reference on the grid, and its consecutive parts, in one read."""
    finite = probe[np.isfinite(probe)]
    edges = np.unique(np.quantile(finite, np.arange(1, BINS) / BINS, method="inverted_cdf")) if len(finite) else finite
    table = _PartTable(stream.rows, len(edges) + 1)
    if table.pieces < MIN_PARTS or not len(finite):
        return count(grid, stream.chunks()), None

    def tee() -> Iterable[Floats]:
        for chunk in stream.chunks():
            bins = np.searchsorted(edges, chunk, side="left")
            table.add(np.where(np.isfinite(chunk), bins, table.width))
            yield chunk

    counts = count(grid, tee())
    return counts, table.parts("numeric")


def stream_categories(
    rows: int, chunks: Callable[[], Iterable[Codes]], max_categories: int = MAX_CATEGORIES
) -> tuple[CategoricalProfile, Parts | None]:
    """The profile of a categorical column and its consecutive parts, in two reads.

    Names beyond four times `max_categories` are dropped during the first read, rarest first (Misra and Gries 1982);
    the second counts those that are left exactly, so that only which of the rarest are kept may differ."""
    seen: Counter[str] = Counter()
    for chunk in chunks():
        seen.update(categorical_profile(chunk, len(chunk.names)).counts)
        if len(seen) > 4 * max_categories:
            seen = Counter(dict(seen.most_common(2 * max_categories)))
    kept = sorted(name for name, _ in seen.most_common(max_categories))
    frequent = {name: rank for rank, (name, _) in enumerate(seen.most_common(CATEGORIES))}
    table = _PartTable(rows, len(frequent) + 1)
    place = {name: position for position, name in enumerate(kept)}
    counts = np.zeros(len(kept) + 2, dtype=np.int64)
    for chunk in chunks():
        names = [str(name) for name in chunk.names]
        own = np.array([*(place.get(name, len(kept)) for name in names), len(kept) + 1], dtype=np.int64)
        bins = np.array([*(frequent.get(name, table.width - 1) for name in names), table.width], dtype=np.int64)
        counts += np.bincount(own[chunk.codes], minlength=len(counts))
        table.add(bins[chunk.codes])
    found = {name: int(many) for name, many in zip(kept, counts, strict=False) if many}
    profile = CategoricalProfile(found, int(counts[-1]), int(counts[-2]), max_categories)
    return profile, table.parts("categorical")
