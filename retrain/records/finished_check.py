"""A finished check as the planner sees it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rise:
    """What a detector of the stream of errors saw in a check's file: at `row` it was sure that the mean error had
    risen from `before` to `after`."""

    detector: str
    row: int
    before: float
    after: float


@dataclass(frozen=True)
class FinishedCheck:
    """One finished check as the planner sees it: `check` is its id, `seq` the file's order of arrival or None
    for a scheduled check; `drifted` the columns; `performance_dropped` by the test of the metric or, with `rise`, by
    the detector; `drop` how far the metric is below its evaluation, in its own unit."""

    check: int
    seq: int | None
    drift: bool
    drifted: tuple[str, ...] = ()
    performance_dropped: bool = False
    drop: float | None = None
    metric: str | None = None
    rise: Rise | None = None
