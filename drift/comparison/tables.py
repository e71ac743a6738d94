"""Compare two tables column by column: the drift report that needs no daemon, no configuration and no model."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from drift.check.allocator import keep_freed_memory
from drift.check.check_columns import MIN_EFFECT
from drift.check.family import assemble
from drift.comparison.judged import Judged
from drift.comparison.long_columns import TEXT_ROWS, judge_long
from drift.comparison.table import Table
from drift.derived.calendar import calendar_columns
from drift.derived.text import text_columns
from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues

ALPHA = 0.05
WHOLE_ROWS = 4_000_000
"""Columns of more rows are not held in memory but read again."""

Progress = Callable[[str, int, int], None]
"""Is called with a column's name, its number from 1 on, and how many there are, before it is read."""


@dataclass(frozen=True)
class Compared:
    """The report as plain JSON values, and small distributions by column name, for pictures."""

    result: dict[str, Any]
    shapes: dict[str, dict[str, Any]] = field(default_factory=dict)


def compare_tables(
    reference: Table,
    current: Table,
    *,
    alpha: float = ALPHA,
    exact: bool = False,
    min_effect: float = MIN_EFFECT,
    calendar: bool = False,
    multivariate: bool = False,
    ignore: Collection[str] = (),
    columns: Collection[str] = (),
    ignored_by: str = "ignore",
    what: str = "frame",
    with_shapes: bool = True,
    progress: Progress | None = None,
) -> Compared:
    """The drift report of two tables; ValueError where they have no column in common.

    The reference decides what kind a column is; a column that only one table has is named in `notes`. `alpha` is the
    rate of false alarms of the whole comparison. With `exact`, Wasserstein distances are exact and further statistics
    are given; `calendar` adds the hour and weekday of dates, `multivariate` tests of all columns together. Columns that
    name or date rows are left out, see `drift.derived.identifiers`, and those to `ignore`; where `columns` are named,
    they alone are compared, whatever their values. `ignored_by` and `what` are the words of notes for the argument
    `ignore`, and for a table; without `with_shapes` there are no distributions.
    """
    keep_freed_memory()
    shared = [name for name in reference.names if name in set(current.names)]
    if not shared:
        raise ValueError(f"there is no column in common: {nothing_shared(reference, current)}")
    judged = Judged(
        with_shapes, left_out=dict.fromkeys((name for name in shared if name in ignore), f"{ignored_by} names it")
    )
    shared = [name for name in shared if name not in ignore and (name in columns or not columns)]
    for number, name in enumerate(shared, 1):
        if progress is not None:
            progress(name, number, len(shared))
        _judge(judged, reference, current, name, exact, calendar, bool(columns))
    together = {}
    if multivariate:
        from drift.comparison.multivariate import compare_together

        together["multivariate"] = compare_together(reference, current, shared, judged.left_out, alpha)
    report = assemble(
        judged.reports,
        alpha=alpha,
        min_effect=min_effect,
        reference_rows=reference.rows,
        current_rows=current.rows,
        parts=judged.parts,
        left_out=judged.left_out,
        notes=[*_only_one_has(reference, current, what), *reference.notes, *current.notes, *judged.notes],
    )
    return Compared(report.to_json() | together, judged.shapes)


def nothing_shared(reference: Table, current: Table) -> str:
    """What two tables have in place of a column in common."""
    return f"one has {_listed(reference.names)}, the other {_listed(current.names)}"


def _judge(
    judged: Judged, reference: Table, current: Table, name: str, exact: bool, calendar: bool, any_values: bool
) -> None:
    """One column, and what is derived from it; the column itself is left out where it names or dates rows, unless it
    may have `any_values`."""
    if max(reference.rows, current.rows) > WHOLE_ROWS:
        judge_long(judged, reference, current, name, exact, calendar, any_values)
    else:
        dates, is_text = (reference.kinds[name] == kind for kind in ("datetime", "text"))
        sides = (columns_of(table, name, calendar) for table in (reference, current))
        for (title, before), (_, now) in zip(*sides, strict=True):
            own = title == name
            judged.judge(title, before, now, exact, dates and own, any_values or not own or is_text)
    for table in (reference, current):
        table.note_misfits(name)


def columns_of(table: Table, name: str, calendar: bool) -> Iterator[tuple[str, ColumnValues]]:
    """A column, and what is made of it: of dates, where asked, hour and weekday; of free text its length and more."""
    kind, values = table.kinds[name], table.values(name)
    yield name, values
    if calendar and kind == "datetime" and not isinstance(values, Codes):
        yield from calendar_columns(name, values)
    if kind == "text":
        yield from text_columns(name, table.words(name, TEXT_ROWS))


def _only_one_has(reference: Table, current: Table, what: str) -> list[str]:
    only = [
        ("the reference", [name for name in reference.names if name not in current.names]),
        (f"the current {what}", [name for name in current.names if name not in reference.names]),
    ]
    return [f"only {where} has {_listed(names)}" for where, names in only if names]


def _listed(names: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more columns"
