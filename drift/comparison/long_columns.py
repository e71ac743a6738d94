"""Columns that are too long to be held: read several times instead, in batches."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc

from drift.check.column import judge_column
from drift.check.words import with_dates
from drift.columns.values import column_values
from drift.comparison.judged import Judged
from drift.comparison.table import Table
from drift.derived.calendar import calendar_columns
from drift.derived.text import text_columns
from drift.out_of_core.columns import Stream, judge_streams, stream_categories
from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues, profile

PROBE_ROWS = 200_000
TEXT_ROWS = 100_000

Read = Callable[[Table], Iterable[ColumnValues]]
"""The values of a column, in batches, anew with every call."""


def judge_long(
    judged: Judged, reference: Table, current: Table, name: str, exact: bool, calendar: bool, any_values: bool
) -> None:
    """One column, and what is derived from it; its first rows tell whether it is left out, unless it may have
    `any_values`."""
    tables, kind = (reference, current), reference.kinds[name]
    if not any_values and kind != "text" and _left_out(judged, tables, name, kind == "datetime"):
        pass
    elif kind in ("boolean", "category", "text"):
        _categories(judged, tables, name, lambda table: table.chunks(name), exact)
    else:
        _numbers(judged, tables, name, lambda table: table.chunks(name), exact, kind == "datetime")
    if calendar and kind == "datetime":
        for position, (title, _) in enumerate(calendar_columns(name, np.zeros(0))):
            _categories(judged, tables, title, lambda table, at=position: _calendar(table, name, at), exact)  # type: ignore[misc]
    if kind == "text":
        _texts(judged, tables, name, exact)


def _left_out(judged: Judged, tables: tuple[Table, Table], name: str, dates: bool) -> bool:
    before, now = (next(iter(table.chunks(name)), np.zeros(0)) for table in tables)
    return judged.leave_out(name, profile(before), before, now, dates)


def _numbers(
    judged: Judged, tables: tuple[Table, Table], name: str, read: Read, exact: bool, dates: bool = False
) -> None:
    probes = [_probe(table, read) for table in tables]
    before, now = (Stream(table.rows, lambda table=table: _floats(read(table))) for table in tables)  # type: ignore[misc]
    report, parts = judge_streams(name, before, now, probes[0], exact=exact)
    judged.add(with_dates(report) if dates else report, parts)
    judged.draw(name, probes[0], probes[1], dates)


def _categories(judged: Judged, tables: tuple[Table, Table], name: str, read: Read, exact: bool) -> None:
    (before, parts), (now, _) = (
        stream_categories(table.rows, lambda table=table: _codes(read(table)))  # type: ignore[misc]
        for table in tables
    )
    judged.add(judge_column(name, before, now, exact=exact), parts)


def _texts(judged: Judged, tables: tuple[Table, Table], name: str, exact: bool) -> None:
    """The length and whether it is empty of every text; trigrams of 100,000 a side from all over."""
    _numbers(judged, tables, f"{name} (length)", lambda table: map(_lengths, table.texts(name)), exact)
    _categories(judged, tables, f"{name} (empty)", lambda table: map(_empty, table.texts(name)), exact)
    title = f"{name} (trigrams)"
    before, now = (dict(text_columns(name, table.words(name, TEXT_ROWS)))[title] for table in tables)
    assert isinstance(before, Codes) and isinstance(now, Codes)
    judged.judge(title, before, now, exact)
    sides = (f"{len(values.codes):,} of {table.rows:,}" for values, table in zip((before, now), tables, strict=True))
    judged.notes.append(f"{title} is of {' and '.join(sides)} rows")


def _lengths(texts: Any) -> ColumnValues:
    return column_values(pc.utf8_length(texts), "number")


def _empty(texts: Any) -> ColumnValues:
    empty = column_values(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0), "boolean")
    assert isinstance(empty, Codes)
    return Codes(empty.codes, ("no", "yes"))


def _calendar(table: Table, name: str, position: int) -> Iterator[ColumnValues]:
    for chunk in _floats(table.chunks(name)):
        yield list(calendar_columns(name, chunk))[position][1]


def _floats(chunks: Iterable[ColumnValues]) -> Iterator[Any]:
    return (np.asarray(chunk, dtype=np.float64) for chunk in chunks if not isinstance(chunk, Codes))


def _codes(chunks: Iterable[ColumnValues]) -> Iterator[Codes]:
    return (chunk for chunk in chunks if isinstance(chunk, Codes))


def _probe(table: Table, read: Read) -> Any:
    """At most 200,000 values from all over the column, copied so that the rest is not kept with them."""
    step = max(1, -(-table.rows // PROBE_ROWS))
    return np.concatenate([np.zeros(0), *(chunk[::step].copy() for chunk in _floats(read(table)))])
