"""All that checks compare, as columns: features, hours and weekdays of dates, and what free text is told by."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from drift.derived.calendar import calendar_columns
from drift.derived.text import text_columns
from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues
from retrain.records.schema import Column, Schema
from retrain.rows.columns import read_column, read_texts

Named = tuple[str, ColumnValues | None]


def compared_values(
    paths: Sequence[Path], schema: Schema, *, calendar: bool, ignore: Collection[str] = ()
) -> Iterator[Named]:
    """Names and values of all rows of the snapshots, one column in memory at a time; None where a snapshot lacks it.

    With `calendar` dates have their hour and weekday too, also those that are no features, as the time column.
    `ignore` names columns, or what is derived of them.
    """
    features, apart = [c for c in schema.features if c.kind != "text"], (schema.target, schema.id_column)
    dates = [
        c for c in schema.columns if calendar and c.kind == "datetime" and c not in features and c.name not in apart
    ]
    for column in (*features, *dates, *schema.texts):
        if column.name not in ignore:
            found = _texts(paths, column) if column.kind == "text" else _values(paths, column, schema, calendar)
            yield from ((name, values) for name, values in found if name not in ignore)


def _values(paths: Sequence[Path], column: Column, schema: Schema, calendar: bool) -> Iterator[Named]:
    values = read_column(paths, column.name, column.kind)
    if column in schema.features:
        yield column.name, values
    if calendar and column.kind == "datetime" and values is not None and not isinstance(values, Codes):
        yield from calendar_columns(column.name, values)


def _texts(paths: Sequence[Path], column: Column) -> Iterator[Named]:
    texts = read_texts(paths, column.name)
    if texts is None:
        yield column.name, None
    else:
        yield from text_columns(column.name, texts)
