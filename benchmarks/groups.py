"""How often a group of rows is falsely told to do worse, or two to differ by too much, and how soon it is told rightly.

`python -m benchmarks.groups --runs 500` simulates the counts of files, judges them as the service does, and prints the
tables of docs/groups.md. Nothing of it depends on the machine."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from retrain.metrics.proportions import quantile
from retrain.monitoring.groups.figures import Figures, disparities, exceeded
from retrain.monitoring.groups.judging import DropTest, Series, judged
from retrain.monitoring.groups.watcher import DISPARITY_SHARE, SLICE_SHARE
from retrain.records.groups import FileGroups, GroupCounts
from retrain.records.settings import GroupSettings, ModelSettings

SETTINGS = ModelSettings(data_dir="d", task="classification", target="y")
RATE = SETTINGS.drift.false_alarms
TEST = DropTest(1.0, SLICE_SHARE * RATE, SETTINGS.triggers.min_drop)
FILES, BEFORE, WATCHED = 40, 12, 12
"""Files of a run without a change; before a change, and after it."""


@dataclass(frozen=True)
class Stream:
    """So many `groups` with so many settled `rows` in a file each, answered right with `accuracy`; files' own accuracy
    spreads by `between` (standard deviation), that of all groups of a file alike where it is `shared`."""

    groups: int
    rows: int
    accuracy: float = 0.85
    between: float = 0.0
    shared: bool = False

    def files(self, rng: np.random.Generator, drops: Sequence[float]) -> Iterator[tuple[GroupCounts, ...]]:
        """A file each, in which the first group is worse by this much."""
        for drop in drops:
            size = 1 if self.shared else self.groups
            own = self.accuracy + rng.normal(0, self.between, size) + np.zeros(self.groups)
            own[0] -= drop
            hits = rng.binomial(self.rows, np.clip(own, 0, 1))
            yield tuple(self._counts(place, int(right) / self.rows) for place, right in enumerate(hits))

    def _counts(self, place: int, share: float) -> GroupCounts:
        error = float(np.sqrt(share * (1 - share) / (self.rows - 1)))
        return GroupCounts(
            column="g", group=str(place), rows=self.rows, settled=self.rows, score=share, se=error,
            scored_rows=self.rows,
        )  # fmt: skip


def first_told(stream: Stream, rng: np.random.Generator, drops: Sequence[float]) -> tuple[list[int], int]:
    """The files, from 0, with which episodes of any group begin; and that of the first group's, −1 without one."""
    series, begun, first = Series(), [], -1
    for seq, groups in enumerate(stream.files(rng, drops)):
        before = set(series.degraded)
        marked, degraded = judged(series, seq, groups, TEST)
        series.add(seq, marked, degraded)
        fresh = {one.name for one in degraded} - before
        begun += [seq] if fresh else []
        if first < 0 and seq >= BEFORE and ("g", "0") in fresh:
            first = seq
    return begun, first


def alarms(stream: Stream, runs: int) -> str:
    """Of a hundred files without a change, how many begin an episode; with its 95 % interval."""
    counts = [len(first_told(stream, np.random.default_rng([1, run]), [0.0] * FILES)[0]) for run in range(runs)]
    error = np.std(counts, ddof=1) / np.sqrt(runs)
    return f"{100 * np.mean(counts) / FILES:.2f} ± {100 * quantile(0.05) * error / FILES:.2f}"


def power(stream: Stream, drop: float, runs: int) -> tuple[float, float, str]:
    """Of runs in which one group is worse from a file on: told with that file, within three, and after how many."""
    drops = [0.0] * BEFORE + [drop] * WATCHED
    found = [first_told(stream, np.random.default_rng([2, run]), drops)[1] - BEFORE + 1 for run in range(runs)]
    told = np.array([after if after > 0 else WATCHED + 1 for after in found])
    median = float(np.median(told))
    return float(np.mean(told <= 1)), float(np.mean(told <= 3)), f"{median:.0f}" if median <= WATCHED else "–"


def false_disparities(groups: int, rows: int, runs: int, most: float = 0.1) -> float:
    """The share of files whose two outermost groups differ by just what is allowed, and are told to differ by more."""
    figures, window = Figures("yes", 100, DISPARITY_SHARE * RATE, most), GroupSettings().window
    shares = np.array([0.3, *[0.35] * (groups - 2), 0.4])
    told = 0
    for run in range(runs):
        hits = np.random.default_rng([3, run]).binomial(rows, shares, (window, groups))
        files = [
            FileGroups(
                seq=seq, check=seq, own="", key="",
                groups=tuple(
                    GroupCounts(column="g", group=str(place), rows=rows, selected=int(count))
                    for place, count in enumerate(file)
                ),
            )
            for seq, file in enumerate(hits)
        ]  # fmt: skip
        told += bool(exceeded(disparities(files, ["g"], figures), (), most))
    return told / runs


STREAMS = [
    Stream(2, 200), Stream(10, 200), Stream(40, 100), Stream(10, 1000), Stream(10, 200, 0.97),
    Stream(10, 200, between=0.03), Stream(10, 1000, between=0.03), Stream(10, 1000, between=0.03, shared=True),
]  # fmt: skip
CHANGES = [
    (Stream(10, 200), 0.05), (Stream(10, 200), 0.1), (Stream(10, 200), 0.2), (Stream(10, 1000), 0.05),
    (Stream(10, 1000), 0.1), (Stream(40, 100), 0.2), (Stream(10, 1000, between=0.03), 0.1),
]  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    runs = parser.parse_args().runs
    print(
        "| groups | rows of each in a file | right | files differ by | episodes in 100 files |\n|---|---|---|---|---|"
    )
    for one in STREAMS:
        apart = f"{one.between}{', all groups alike' if one.shared else ''}" if one.between else "–"
        print(f"| {one.groups} | {one.rows:,} | {one.accuracy} | {apart} | {alarms(one, runs)} |", flush=True)
    print("\n| groups | rows | worse by | files differ by | told with its first file | within three | median |")
    print("|---|---|---|---|---|---|---|")
    for one, drop in CHANGES:
        first, three, median = power(one, drop, runs)
        apart = one.between or "–"
        print(f"| {one.groups} | {one.rows:,} | {drop} | {apart} | {first:.2f} | {three:.2f} | {median} |", flush=True)
    for groups, rows in ((2, 200), (10, 200), (10, 2000)):
        found = false_disparities(groups, rows, 10 * runs)
        print(
            f"\n{groups} groups, {rows:,} rows each: {100 * found:.2f} of 100 files told to differ by more", flush=True
        )


if __name__ == "__main__":
    main()
