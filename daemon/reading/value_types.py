"""Rows of a database as Arrow columns: numbers, text, dates, moments and booleans as they are, all else as text."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

MOMENT, MOMENT_UTC = pa.timestamp("us"), pa.timestamp("us", tz="UTC")
POSTGRESQL = {
    16: pa.bool_(), 20: pa.int64(), 21: pa.int64(), 23: pa.int64(), 700: pa.float64(), 701: pa.float64(),
    1700: pa.float64(), 25: pa.string(), 1042: pa.string(), 1043: pa.string(), 1082: pa.date32(), 1114: MOMENT,
    1184: MOMENT_UTC,
}  # fmt: skip
"""The types of columns of PostgreSQL by their numbers, which never change: of columns without a value nothing else
tells what they are."""
WHOLE = 2**63
NUMBERS = (int, float, Decimal)


def as_array(values: Sequence[Any]) -> Any:
    """Values (n,) of a column as an Arrow array of the plain type that holds them all.

    >>> as_array([1, None]).type, as_array([1, Decimal("1.5")]).type, as_array([1, "x"]).to_pylist()
    (DataType(int64), DataType(double), ['1', 'x'])
    """
    kind = _type_of({type(value) for value in values} - {type(None)}, values)
    if kind == pa.float64():
        return pa.array([None if value is None else float(value) for value in values], kind)
    if kind == MOMENT_UTC:
        return pa.array([None if value is None else value.astimezone(UTC) for value in values], kind)
    if kind == pa.string():
        return pa.array([None if value is None else _text(value) for value in values], kind)
    return pa.array(values, kind)


def united(one: Any, other: Any) -> Any:
    """The type that holds the values of both, of two parts of a column."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    return pa.float64() if {one, other} == {pa.int64(), pa.float64()} else pa.string()


def _type_of(types: set[type], values: Sequence[Any]) -> Any:
    if not types:
        return pa.null()
    if types == {bool}:
        return pa.bool_()
    if types <= set(NUMBERS):
        is_whole = types == {int} and all(value is None or -WHOLE <= value < WHOLE for value in values)
        return pa.int64() if is_whole else pa.float64()
    if types == {date}:
        return pa.date32()
    if types == {datetime}:
        zoned = {value.tzinfo is not None for value in values if value is not None}
        return pa.string() if len(zoned) > 1 else MOMENT_UTC if zoned == {True} else MOMENT
    return pa.string()


def _text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    return value if isinstance(value, str) else str(value)
