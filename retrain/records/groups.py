"""Groups of rows, by the values of a column: how what was served did on them, file by file, and what that comes to."""

import contextlib
from collections.abc import Iterable

import msgspec

Group = tuple[str, str]
"""A column and one of its values; two empty texts are all rows."""
ALL_ROWS: Group = ("", "")


class GroupCounts(msgspec.Struct, frozen=True, kw_only=True):
    """A group's rows of one file: how many were answered, and how many of these with the positive class; of the
    `settled` ones, whose label may be believed, sums of weights (1 each where all count alike) and of squared weights,
    those of the positive class and the ones among them that were answered so.

    `score` is the model's metric on the settled rows of `files` with its standard error `se`; None where these are too
    few, and wait for the next file's. `apart`: it lies in an episode, and is no reference for later files."""

    column: str
    group: str
    rows: int = 0
    selected: int = 0
    settled: int = 0
    positives: float = 0.0
    positive_squares: float = 0.0
    hits: float = 0.0
    score: float | None = None
    se: float | None = None
    scored_rows: int = 0
    files: tuple[int, ...] = ()
    apart: bool = False

    @property
    def name(self) -> Group:
        """The column and its value."""
        return self.column, self.group


class Degraded(msgspec.Struct, frozen=True, kw_only=True):
    """A group that does worse since file `since`, as file `alarm` showed: `value` over the newest `together` scores,
    `reference` before; `drop` in the metric's unit, `p_value` of so large a drop by chance, before it was divided among
    the `groups` that were looked at."""

    column: str
    group: str
    since: int
    alarm: int
    value: float
    reference: float
    drop: float
    p_value: float
    together: int
    groups: int

    @property
    def name(self) -> Group:
        """The column and its value."""
        return self.column, self.group


class Disparity(msgspec.Struct, frozen=True, kw_only=True):
    """By how much a figure ("selection rate" or "true-positive rate") of one group of a column is above another's:
    `difference` with the ends of its interval. `compared` groups had rows enough. `at_least` is the lower end at the
    level of an alarm of the pair that is surest to differ, None without two groups."""

    column: str
    figure: str
    high: str
    low: str
    difference: float
    interval: tuple[float, float]
    compared: int
    at_least: float


class FileGroups(msgspec.Struct, frozen=True, kw_only=True):
    """The groups of the rows of one file, and what holds after it: which are `degraded`, and which figures of a column
    differ by more than is allowed (`exceeded`). `own` tells the labels and answers that the counts are of, `key` also
    those of all files before: other ones, and it is made anew."""

    seq: int
    check: int
    own: str
    key: str
    groups: tuple[GroupCounts, ...]
    degraded: tuple[Degraded, ...] = ()
    exceeded: tuple[Disparity, ...] = ()


def read_file_groups(kept: Iterable[str]) -> list[FileGroups]:
    """Files as they are kept, JSON; one that was kept by other rules is left out, and so counted anew.

    >>> read_file_groups(['{"seq": 1, "check": 2, "own": "a", "key": "b", "groups": []}', '{"seq": 2}'])
    [FileGroups(seq=1, check=2, own='a', key='b', groups=(), degraded=(), exceeded=())]
    """
    found = []
    for text in kept:
        with contextlib.suppress(msgspec.DecodeError):
            found.append(msgspec.json.decode(text, type=FileGroups))
    return found


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A value with the ends of its 95 % interval, on so many rows."""

    value: float
    low: float
    high: float
    rows: int


class GroupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A group over the recent window: `rows` answered, `settled` of them; the model's metric, the share that was
    answered the positive class, and that share among the rows of that class; None where rows are too few. `trail` has
    the scores of the newest files as (seq, value, standard error)."""

    group: str
    rows: int
    settled: int
    score: Estimate | None = None
    selection: Estimate | None = None
    true_positive: Estimate | None = None
    degraded: Degraded | None = None
    trail: tuple[tuple[int, float, float], ...] = ()


class ColumnFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The groups of a column, the largest first, `left_out` of them not listed; and the differences between them."""

    column: str
    groups: tuple[GroupFigures, ...]
    left_out: int = 0
    disparities: tuple[Disparity, ...] = ()


class GroupSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Where groups stand after file `seq`, over the newest `files` files that the deployment numbered `era` answered.
    `positive` is the class whose share is compared, "" without one; `least` the rows that a figure needs."""

    era: int
    version: str
    seq: int
    files: int
    metric: str
    greater_is_better: bool
    positive: str
    least: int
    all_rows: GroupFigures
    columns: tuple[ColumnFigures, ...]
    degraded: tuple[Degraded, ...] = ()
    exceeded: tuple[Disparity, ...] = ()


class GroupWatch(msgspec.Struct, frozen=True, kw_only=True):
    """What an assessment found of groups: the files whose `changed` counts take the place of those before, the checks
    of all files that are `kept`, and where that leaves the model."""

    changed: tuple[FileGroups, ...]
    kept: tuple[int, ...]
    summary: GroupSummary | None = None
