"""Columns of another kind than the schema has now: the snapshots of before a changed configuration, read by today's."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from drift.columns.casts import TYPES
from retrain.records.schema import Schema
from retrain.records.settings import ColumnKind
from retrain.rows.local_formats import plain_moments, plain_numbers

WORDS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def as_kind(column: Any, kind: ColumnKind) -> Any:
    """An Arrow array or chunked array as that kind; values that cannot be of it are missing. What fits is not touched.

    >>> as_kind(pa.array(["1.5", "red", None]), "number").to_pylist()
    [1.5, None, None]
    >>> as_kind(pa.array([1.0, 2.5]), "category").to_pylist()
    ['1', '2.5']
    >>> as_kind(pa.array(["0042", "9007199254740993", "7.0"]), "integer").to_pylist()
    [42, 9007199254740993, 7]
    """
    if fits(column.type, kind):
        return column
    if pa.types.is_null(column.type):
        return column.cast(TYPES[kind])
    if kind in ("category", "text"):
        return column.cast(pa.string())
    values = pa.array([_value(one, kind) for one in column.to_pylist()], TYPES[kind])
    return pa.chunked_array([values]) if isinstance(column, pa.ChunkedArray) else values


def fits(found: Any, kind: ColumnKind) -> bool:
    """Whether an Arrow type holds values of that kind as driftd's snapshots and requests have them."""
    if kind in ("category", "text"):
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_dictionary(found))
    if kind == "datetime":
        return bool(pa.types.is_timestamp(found))
    if kind == "boolean":
        return bool(pa.types.is_boolean(found))
    return bool(pa.types.is_floating(found) or pa.types.is_integer(found))


def conform(table: pa.Table, schema: Schema) -> pa.Table:
    """A snapshot's table with the schema's columns of the schema's kinds, as far as it has them."""
    for name in changed_kinds(table, schema):
        column = as_kind(_plain(table.column(name), schema, name), schema.column(name).kind)
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def _plain(column: Any, schema: Schema, name: str) -> Any:
    """Texts of what is a number or a date now, as programs write them."""
    wanted = schema.column(name)
    formats = schema.formats_of(wanted)
    if not pa.types.is_string(column.type):
        return column
    if wanted.kind == "datetime" and formats.date_format:
        return plain_moments(column, formats)
    return plain_numbers(column, formats) if wanted.kind in ("number", "integer") and formats.numbers else column


def changed_kinds(table: pa.Table, schema: Schema) -> list[str]:
    """The columns whose kind is another one than the snapshot has."""
    kinds = {column.name: column.kind for column in schema.columns}
    return [field.name for field in table.schema if field.name in kinds and not fits(field.type, kinds[field.name])]


def _value(value: Any, kind: ColumnKind) -> Any:
    try:
        if value is None:
            return None
        if kind == "boolean":
            return WORDS[str(value).lower().removesuffix(".0")]
        if kind == "datetime":
            return pc.cast(pa.scalar(str(value)), pa.timestamp("us")).as_py()
        if kind == "integer":
            return int(value) if isinstance(value, str) and value.strip().isdigit() else int(float(value))
        return float(value)
    except (TypeError, ValueError, KeyError, OverflowError, pa.ArrowException):
        return None
