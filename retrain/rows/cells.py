"""A column's values as floats, from Arrow or from Python values: the same bits either way.

Numbers as they are with infinities missing; booleans 1 and 0; date-times as Unix seconds at a resolution of a
microsecond; categories as their codes; missing and unseen NaN.
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from retrain.records.errors import Refused
from retrain.records.predictions import Floats
from retrain.records.settings import ColumnKind

if TYPE_CHECKING:
    import pyarrow as pa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST_S, LAST_S = -62_135_596_800.0, 253_402_300_800.0
LONGEST_SHOWN = 60
ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
NOTHING = type(None)
TEXTS, NUMBERS, WHOLE = frozenset({str, NOTHING}), frozenset({float, int, NOTHING}), frozenset({int, NOTHING})
EXPECTED: dict[str, str] = {
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "datetime": "an ISO 8601 time or Unix seconds",
    "category": "text",
    "text": "text",
}


def from_arrow(values: "pa.ChunkedArray", kind: ColumnKind, index: Mapping[str, float]) -> Floats:
    """The floats (n,) of an Arrow column; what cannot be of that kind is missing."""
    from retrain.rows.columns import CATEGORICAL, column_values

    read: Any = column_values(values, kind)
    if kind not in CATEGORICAL:
        return _finite(np.array(read, dtype=np.float64))
    known = {"false": 0.0, "true": 1.0} if kind == "boolean" else index
    table: Floats = np.array([*(known.get(name, math.nan) for name in read.names), math.nan])
    return np.asarray(table[read.codes])


def plain_values(values: Sequence[Any], name: str, kind: ColumnKind) -> list[float | str | None]:
    """The cells (n) of Python values as JSON gives them: categories as text, all else as floats, missing None; NaN and
    what is infinite is missing too. Refused names the first wrong one."""
    if (quick := plain_quickly(values, kind)) is not None:
        return quick
    plain = [None if isinstance(v, float) and not math.isfinite(v) else v for v in values]
    if kind in ("category", "text"):
        return [None if v is None else word(v) for v in plain]
    return [None if v is None else _converted(v, p, name, kind) for p, v in enumerate(plain)]


def plain_quickly(values: Sequence[Any], kind: ColumnKind) -> list[float | str | None] | None:
    """What `plain_values` gives, where all values are of the types that most are of: without a step of Python's for
    each; else None."""
    types = set(map(type, values))
    if kind in ("category", "text"):
        return list(values) if types <= TEXTS else None
    numbers = NUMBERS if kind == "number" else WHOLE if kind == "integer" else frozenset[type]()
    try:
        if types <= numbers and math.isfinite(sum(filter(None, values))):
            return [None if v is None else float(v) for v in values] if int in types else list(values)
    except OverflowError:  # a whole number that no float holds
        pass
    return None


def _converted(value: Any, position: int, name: str, kind: ColumnKind) -> float:
    if value is None:
        return math.nan
    try:
        return CONVERTERS[kind](value)
    except (TypeError, ValueError, OverflowError):
        message = f"row {position}, column {name!r}: {shown(value)}"
        raise Refused(message, f"expected {EXPECTED[kind]}") from None


def shown(value: Any) -> str:
    """A value as its sender wrote it, cut short.

    >>> shown(True), shown("a")
    ('true', '"a"')
    """
    if isinstance(value, str):
        value = value[: LONGEST_SHOWN + 1]
    text = ""
    try:
        for piece in ENCODER.iterencode(value):
            text += piece
            if len(text) > LONGEST_SHOWN:
                break
    except ValueError:
        text = "a number with too many digits"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


def frequent(values: "pa.ChunkedArray", limit: int) -> tuple[str, ...]:
    """The most frequent `limit` categories of a column, by falling frequency and then by name."""
    from drift.profiles.categorical import Codes, categorical_profile
    from retrain.rows.columns import column_values

    codes = column_values(values, "category")
    assert isinstance(codes, Codes)
    counts = categorical_profile(codes, limit).counts
    return tuple(sorted(counts, key=lambda name: (-counts[name], name)))


def word(value: object) -> str:
    """A category as text: booleans are "true" and "false", anything else its text."""
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _number(value: Any) -> float:
    if isinstance(value, str | bytes | bool | np.bool_):
        raise TypeError
    return float(value)


def _integer(value: Any) -> float:
    number = _number(value)
    if not (number.is_integer() or math.isnan(number) or math.isinf(number)):
        raise ValueError
    return number


def _boolean(value: Any) -> float:
    if isinstance(value, str) or value not in (0, 1):
        raise ValueError
    return float(value)


def _seconds(value: Any) -> float:
    """Of the years 1 to 9999 in UTC: milliseconds taken for seconds are beyond them."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        seconds = float((moment - EPOCH) // MICROSECOND) / 1e6
    else:
        seconds = round(_number(value) * 1e6) / 1e6
    if not FIRST_S <= seconds < LAST_S:
        raise ValueError
    return seconds


CONVERTERS = {
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "datetime": _seconds,
}


def _finite(floats: Floats) -> Floats:
    floats[np.isinf(floats)] = np.nan
    return floats
