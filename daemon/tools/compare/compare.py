"""Compare two data files column by column: the drift report that needs no daemon and no configuration."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from daemon.reading.tabular import Table, open_table
from daemon.tools.column_names import listed_columns
from daemon.tools.compare.judged import Judged
from daemon.tools.compare.long_columns import TEXT_ROWS, judge_long
from drift.check.family import assemble
from drift.derived.calendar import calendar_columns
from drift.derived.text import text_columns
from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues
from retrain.records.errors import Refused
from retrain.records.settings import DriftSettings

MIN_EFFECT = DriftSettings().min_effect
ALPHA = 0.05
WHOLE_ROWS = 4_000_000
"""Columns of more rows are not held in memory but read again."""

Progress = Callable[[str, int, int], None]
"""Is called with a column's name, its number from 1 on, and how many there are, before it is read."""


def compare(
    reference_path: str | Path,
    current_path: str | Path,
    alpha: float = ALPHA,
    exact: bool = False,
    min_effect: float = MIN_EFFECT,
    calendar: bool = False,
    multivariate: bool = False,
    ignore: Sequence[str] = (),
    columns: Sequence[str] = (),
    shapes: dict[str, dict[str, Any]] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The drift report of two files (CSV, Parquet or JSON lines) as plain JSON values.

    The reference decides what kind a column is; a column that only one file has is named in `notes`. `alpha`
    is the rate of false alarms of the whole comparison. With `exact`, Wasserstein distances are exact and further
    statistics are given; `calendar` adds the hour and weekday of dates, `multivariate` tests of all columns together.
    Columns that name or date rows are left out, see `drift.derived.identifiers`, and those to `ignore`; where `columns`
    are named, they alone are compared, whatever their values.
    `shapes`, where given, is filled with small distributions by column name. Refused where a file cannot be read.
    """
    started = time.perf_counter()
    with TemporaryDirectory(prefix="driftd-compare-") as folder:
        reference = open_table(Path(reference_path), Path(folder) / "reference.parquet")
        current = open_table(Path(current_path), Path(folder) / "current.parquet", reference.layout)
        shared = [name for name in reference.names if name in current.names]
        only = listed_columns(columns, reference.names)
        ignored = listed_columns(ignore, (*reference.names, *current.names))
        if not shared:
            raise Refused(
                f"{reference_path} and {current_path} have no column in common: there is nothing to compare",
                f"one has {_listed(reference.names)}, the other {_listed(current.names)}",
            )
        judged = Judged(left_out=dict.fromkeys((name for name in shared if name in ignored), "--ignore names it"))
        shared = [name for name in shared if name not in ignored and (name in only or not only)]
        for number, name in enumerate(shared, 1):
            if progress is not None:
                progress(name, number, len(shared))
            _judge(judged, reference, current, name, exact, calendar, bool(only))
        together = {}
        if multivariate:
            from daemon.tools.compare.multivariate import compare_together

            together["multivariate"] = compare_together(reference, current, shared, judged.left_out, alpha)
        report = assemble(
            judged.reports,
            alpha=alpha,
            min_effect=min_effect,
            reference_rows=reference.rows,
            current_rows=current.rows,
            parts=judged.parts,
            left_out=judged.left_out,
            notes=[*_only_one_has(reference, current), *reference.notes, *current.notes, *judged.notes],
        )
    if shapes is not None:
        shapes.update(judged.shapes)
    sides = {
        "reference": {"path": str(reference_path), "rows": reference.rows},
        "current": {"path": str(current_path), "rows": current.rows},
    }
    return report.to_json() | sides | together | {"seconds": time.perf_counter() - started}


def _judge(
    judged: Judged, reference: Table, current: Table, name: str, exact: bool, calendar: bool, any_values: bool
) -> None:
    """One column, and what is derived from it; the column itself is left out where it names or dates rows, unless it
    may have `any_values`."""
    if max(reference.rows, current.rows) > WHOLE_ROWS:
        judge_long(judged, reference, current, name, exact, calendar, any_values)
    else:
        dates, is_text = (reference.kinds[name] == kind for kind in ("datetime", "text"))
        sides = (_columns(table, name, calendar) for table in (reference, current))
        for (title, before), (_, now) in zip(*sides, strict=True):
            own = title == name
            judged.judge(title, before, now, exact, dates and own, any_values or not own or is_text)
    for table in (reference, current):
        table.note_misfits(name)


def _columns(table: Table, name: str, calendar: bool) -> Iterator[tuple[str, ColumnValues]]:
    """A column, and what is made of it: of dates, where asked, hour and weekday; of free text its length and more."""
    kind, values = table.kinds[name], table.values(name)
    yield name, values
    if calendar and kind == "datetime" and not isinstance(values, Codes):
        yield from calendar_columns(name, values)
    if kind == "text":
        yield from text_columns(name, table.words(name, TEXT_ROWS))


def _only_one_has(reference: Table, current: Table) -> list[str]:
    only = [
        ("the reference", [name for name in reference.names if name not in current.names]),
        ("the current file", [name for name in current.names if name not in reference.names]),
    ]
    return [f"only {where} has {_listed(names)}" for where, names in only if names]


def _listed(names: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more columns"
