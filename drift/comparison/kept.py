"""A frame kept as a reference, without its rows, and later frames compared with it."""

from collections.abc import Collection, Iterator
from typing import Any

from drift.check.check_columns import check_columns
from drift.columns.column_kind import ColumnKind
from drift.comparison.frames import Frame, frame, named
from drift.comparison.shapes import of_profile
from drift.comparison.tables import Compared, columns_of
from drift.derived.identifiers import identifying
from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues, profile
from drift.profiles.reference import Reference, build_reference


def reference_of(data: Any, *, ignore: str | Collection[str] = (), calendar: bool = False) -> Reference:
    """What later frames are compared with, by `compare(reference, frame)`; the rows are in their order in time.

    Columns that name or date rows are left out, and those to `ignore`; `calendar` adds the hour and weekday of dates.
    TypeError where it is no frame, ValueError where a name is no column.

    >>> reference = reference_of({"x": [1.0, 2.0, 3.0] * 100})
    >>> Reference.from_bytes(reference.to_bytes()).columns["x"].mean
    2.0
    """
    table = frame(data)
    ignored = named(ignore, table)
    names = [name for name in table.names if name not in ignored]
    return build_reference(column for name in names for column in _described(table, name, calendar))


def compare_with(
    reference: Reference, current: Frame, ignore: Collection[str], columns: Collection[str], **options: Any
) -> Compared:
    """The report of a frame against a reference, as `driftd check` reports a file; `options` are those of
    `check_columns`. ValueError where it has none of the reference's columns."""
    kinds = {name: _kind(reference, name, kind) for name, kind in current.kinds.items()}
    table = Frame(current.table, kinds)
    names = [name for name in table.names if name not in ignore and (name in columns or not columns)]
    found = (column for name in names for column in columns_of(table, name, True))
    judged = [(title, values) for title, values in found if title in reference.columns]
    if not judged:
        raise ValueError("there is no column in common with the reference")
    for name in names:
        table.note_misfits(name)
    dates = [name for name, kind in table.kinds.items() if kind == "datetime"]
    report = check_columns(reference, judged, notes=table.notes, dates=dates, **options)
    shapes = {
        title: of_profile(reference.columns[title], values) | ({"dates": True} if title in dates else {})
        for title, values in judged
    }
    return Compared(report.to_json(), shapes)


def _described(table: Frame, name: str, calendar: bool) -> Iterator[tuple[str, ColumnValues]]:
    """A column and what is derived from it, without what names or dates rows."""
    dates, is_text = (table.kinds[name] == kind for kind in ("datetime", "text"))
    for title, values in columns_of(table, name, calendar):
        order = None if isinstance(values, Codes) else values
        if title != name or is_text or identifying(title, profile(values), order, moments=dates) is None:
            yield title, values


def _kind(reference: Reference, name: str, kind: ColumnKind) -> ColumnKind:
    """As what a column is read that the reference has as numbers or categories; as what it is where it has not."""
    if f"{name} (trigrams)" in reference.columns:
        return "text"
    known = reference.columns.get(name)
    if known is None:
        return kind
    if known.kind == "numeric":
        return "datetime" if kind == "datetime" else "number"
    return "boolean" if kind == "boolean" else "category"
