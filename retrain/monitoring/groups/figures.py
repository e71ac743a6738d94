"""What the counts of the recent window come to: figures of each group with intervals, and differences between groups.

Of all pairs of a column's groups those two are told that differ most (demographic parity difference, equal opportunity
difference: Hardt, Price and Srebro 2016), with an interval that holds for all pairs together (Bonferroni)."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from retrain.metrics.proportions import Part, Proportion, lower_end, newcombe, pooled, quantile, wilson
from retrain.records.groups import (
    ALL_ROWS,
    ColumnFigures,
    Degraded,
    Disparity,
    Estimate,
    FileGroups,
    Group,
    GroupCounts,
    GroupFigures,
)

SELECTION, TRUE_POSITIVE = "selection rate", "true-positive rate"
MOST_SHOWN, TRAIL = 50, 40
"""Groups of a column that are compared and told, those with most rows in the window, and scores of each."""
DOUBT = 0.05
"""Intervals are told at 95 %."""
Trails = Mapping[Group, Sequence[tuple[int, float, float]]]
"""By group its scores, oldest first: file, value, standard error."""


@dataclass(frozen=True)
class Figures:
    """How figures are made: with a `positive` class or "" without, of groups with at least `least` rows; `level` is the
    chance that some difference of a file is falsely told to be above `most` (None: none is told)."""

    positive: str
    least: int
    level: float
    most: float | None

    def proportions(self, counts: Mapping[str, Sequence[GroupCounts]], figure: str) -> dict[str, Proportion]:
        """By group a share over the window's files, of those groups that have rows enough."""
        found = {}
        for group, files in counts.items():
            share = pooled([PARTS[figure](one) for one in files]) if self.positive else None
            if share is not None and sum(SIZES[figure](one) for one in files) >= self.least:
                found[group] = share
        return found


def _selection(one: GroupCounts) -> Part:
    return Part(one.rows, one.rows, one.selected)


def _true_positive(one: GroupCounts) -> Part:
    return Part(one.positives, one.positive_squares, one.hits)


PARTS: Mapping[str, Callable[[GroupCounts], Part]] = {SELECTION: _selection, TRUE_POSITIVE: _true_positive}
SIZES: Mapping[str, Callable[[GroupCounts], float]] = {
    SELECTION: lambda one: one.rows,
    TRUE_POSITIVE: lambda one: one.positives**2 / one.positive_squares if one.positives else 0.0,
}
"""As how many rows a file's count, in telling whether they are enough."""


def disparities(window: Sequence[FileGroups], columns: Sequence[str], figures: Figures) -> list[Disparity]:
    """The largest difference between groups of each column and figure, where two groups have rows enough."""
    largest = {column: _largest(window, column) for column in columns}
    shares = {
        (column, figure): figures.proportions(groups, figure) for column, groups in largest.items() for figure in PARTS
    }
    asked = sum(len(found) * (len(found) - 1) for found in shares.values())
    return [
        _disparity(column, figure, found, figures.level / asked)
        for (column, figure), found in shares.items()
        if len(found) > 1
    ]


def _disparity(column: str, figure: str, shares: Mapping[str, Proportion], level: float) -> Disparity:
    """Of the groups that differ most; ends at 95 % for all pairs together, and `at_least` one-sided at a level."""
    high, low = (choose(shares, key=lambda one: (shares[one].share, one)) for choose in (max, min))
    pairs = len(shares) * (len(shares) - 1) / 2
    alarm = quantile(2 * level)
    ends = {name: wilson(share, alarm) for name, share in shares.items()}
    surest = max(
        lower_end(shares[one].share, ends[one], shares[other].share, ends[other])
        for one, other in permutations(shares, 2)
    )
    return Disparity(
        column=column, figure=figure, high=high, low=low, difference=shares[high].share - shares[low].share,
        interval=newcombe(shares[high], shares[low], quantile(DOUBT / pairs)), compared=len(shares), at_least=surest,
    )  # fmt: skip


def exceeded(found: Iterable[Disparity], before: Iterable[Disparity], most: float | None) -> tuple[Disparity, ...]:
    """The differences above what is allowed: beyond doubt, or as before where they were and still look so."""
    if most is None:
        return ()
    known = {(one.column, one.figure) for one in before}
    return tuple(
        one for one in found if one.at_least > most or ((one.column, one.figure) in known and one.difference > most)
    )


def column_figures(
    scores: Trails, window: Sequence[FileGroups], column: str, figures: Figures,
    degraded: Mapping[Group, Degraded], found: Iterable[Disparity],
) -> ColumnFigures:  # fmt: skip
    """A column's groups over the window, the largest first."""
    by_group, shown = _by_group(window, column), list(_largest(window, column))
    shown += sorted(name[1] for name in degraded if name[0] == column and name[1] not in shown)
    return ColumnFigures(
        column=column,
        groups=tuple(
            group_figures(scores, by_group.get(group, ()), (column, group), figures, degraded) for group in shown
        ),
        left_out=len(set(by_group) - set(shown)),
        disparities=tuple(one for one in found if one.column == column),
    )


def group_figures(
    scores: Trails, counts: Sequence[GroupCounts], name: Group, figures: Figures,
    degraded: Mapping[Group, Degraded],
) -> GroupFigures:  # fmt: skip
    """One group's figures, of its `counts` in the window's files."""
    shares = {figure: figures.proportions({"": counts}, figure).get("") for figure in PARTS}
    sizes = {SELECTION: sum(one.rows for one in counts), TRUE_POSITIVE: round(sum(one.positives for one in counts))}
    said = {figure: _estimate(share, sizes[figure]) for figure, share in shares.items()}
    return GroupFigures(
        group=name[1], rows=sum(one.rows for one in counts), settled=sum(one.settled for one in counts),
        score=mean_score(counts), selection=said[SELECTION], true_positive=said[TRUE_POSITIVE],
        degraded=degraded.get(name), trail=tuple(scores.get(name, ())[-TRAIL:]),
    )  # fmt: skip


def mean_score(counts: Sequence[GroupCounts]) -> Estimate | None:
    """The mean metric of files by their rows; its interval is wider where files differ by more than their rows say
    (Birge 1932). None without a score."""
    scores = [(one.score, one.se, one.scored_rows) for one in counts if one.score is not None and one.se is not None]
    rows = sum(count for _, _, count in scores)
    if not rows:
        return None
    mean = sum(value * count for value, _, count in scores) / rows
    error = math.sqrt(sum((se * count) ** 2 for _, se, count in scores)) / rows
    apart = [((value - mean) / se) ** 2 for value, se, _ in scores if se > 0]
    wider = math.sqrt(max(1.0, sum(apart) / (len(apart) - 1))) if len(apart) > 1 else 1.0
    half = quantile(DOUBT) * error * wider
    return Estimate(value=mean, low=mean - half, high=mean + half, rows=rows)


def _estimate(share: Proportion | None, rows: int) -> Estimate | None:
    if share is None:
        return None
    low, high = wilson(share, quantile(DOUBT))
    return Estimate(value=share.share, low=low, high=high, rows=rows)


def _by_group(window: Sequence[FileGroups], column: str) -> dict[str, list[GroupCounts]]:
    found: dict[str, list[GroupCounts]] = {}
    for record in window:
        for one in record.groups:
            if one.column == column and one.name != ALL_ROWS:
                found.setdefault(one.group, []).append(one)
    return found


def _largest(window: Sequence[FileGroups], column: str) -> dict[str, list[GroupCounts]]:
    """The counts of a column's groups with most rows, the largest first; names that change from file to file are more
    than those of a file."""
    by_group = _by_group(window, column)
    ordered = sorted(by_group, key=lambda group: (-sum(one.rows for one in by_group[group]), group))
    return {group: by_group[group] for group in ordered[:MOST_SHOWN]}


def all_rows(window: Sequence[FileGroups]) -> list[GroupCounts]:
    """The counts of all rows of each file."""
    return [one for record in window for one in record.groups if one.name == ALL_ROWS]


def trails(records: Sequence[FileGroups]) -> Trails:
    """The scores of all groups of these files."""
    found: dict[Group, list[tuple[int, float, float]]] = {}
    for record in records:
        for one in record.groups:
            if one.score is not None and one.se is not None:
                found.setdefault(one.name, []).append((record.seq, one.score, one.se))
    return found
