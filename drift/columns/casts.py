"""Columns of Arrow cast to a kind: values that do not fit are marked, infinities become missing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drift.columns.column_kind import ColumnKind

TYPES: dict[ColumnKind, Any] = {
    "number": pa.float64(), "integer": pa.int64(), "boolean": pa.bool_(), "category": pa.string(),
    "datetime": pa.timestamp("us"), "text": pa.string(),
}  # fmt: skip
NAIVE = pa.timestamp("us")
AWARE = pa.timestamp("us", "UTC")
LARGEST_WHOLE = 2.0**63
FIRST_S, END_S = -62_135_596_800, 253_402_300_800
"""Unix seconds of the years 1 to 9999, the end not among them: what Python's and most other clocks can say."""
TICKS = {"s": 1, "ms": 10**3, "us": 10**6}
DAY_S = 86_400
TRUTHS = dict.fromkeys(("true", "t", "1", "yes"), True) | dict.fromkeys(("false", "f", "0", "no"), False)


@dataclass(frozen=True)
class Cleaned:
    """An Arrow array of n values of the kind's type, which of them were misfits (n,), and how many were
    infinite; misfits and infinities are null."""

    values: Any
    bad: NDArray[np.bool_]
    infinite: int = 0


def cast(column: Any, kind: ColumnKind) -> Cleaned:
    """An Arrow array as that kind. TypeError or an error of Arrow's where its type can hold no such values.

    >>> cast(pa.array(["1.5", "red", None]), "number").values.to_pylist()
    [1.5, None, None]
    """
    return CASTS[kind](column)


def _number(column: Any) -> Cleaned:
    if is_text(column):
        return _nullified(from_text(column, float, pa.float64()))
    if pa.types.is_decimal(column.type):  # by its text, the nearest double: Arrow's own cast may be a bit off
        column = pc.cast(column, pa.string())
    return _nullified(Cleaned(pc.cast(column, pa.float64(), safe=False), no_misfits(column)))


def _nullified(cleaned: Cleaned) -> Cleaned:
    """NaN and infinities as null."""
    finite = pc.is_finite(cleaned.values)
    if pc.all(finite, skip_nulls=True).as_py() in (True, None):
        return cleaned
    infinite = pc.sum(pc.is_inf(cleaned.values)).as_py() or 0
    return Cleaned(pc.if_else(finite, cleaned.values, None), cleaned.bad, infinite)


def _integer(column: Any) -> Cleaned:
    if is_text(column):
        return from_text(column, _whole, pa.int64())
    try:
        return Cleaned(pc.cast(column, pa.int64(), safe=True), no_misfits(column))
    except pa.ArrowInvalid:
        numbers = _number(column)
        values = numbers.values.to_numpy(zero_copy_only=False)
        with np.errstate(invalid="ignore"):
            bad = np.isfinite(values) & ((values != np.trunc(values)) | (np.abs(values) >= LARGEST_WHOLE))
        whole = pc.if_else(pa.array(~bad), numbers.values, None)
        return Cleaned(pc.cast(whole, pa.int64(), safe=False), bad, numbers.infinite)


def _boolean(column: Any) -> Cleaned:
    if pa.types.is_boolean(column.type):
        return Cleaned(column, no_misfits(column))
    if is_text(column):
        return from_text(column, _truth, pa.bool_())
    numbers = pc.cast(column, pa.float64(), safe=False)
    values = numbers.to_numpy(zero_copy_only=False)
    bad = ~np.isin(values, (0.0, 1.0)) & ~np.isnan(values)
    kept = pc.if_else(pa.array(~bad & ~np.isnan(values)), numbers, None)
    return Cleaned(pc.equal(kept, 1.0), bad)


def _category(column: Any) -> Cleaned:
    if pa.types.is_nested(column.type):
        raise TypeError
    return Cleaned(pc.cast(column, pa.string()), no_misfits(column))


def _datetime(column: Any) -> Cleaned:
    if is_text(column):
        found = iso_moments(column)
        return _moments(column) if found is None else found
    if pa.types.is_date(column.type):
        column = pc.cast(pc.cast(column, pa.date32()), pa.int32())
        seconds = pc.multiply(pc.cast(column, pa.int64()), DAY_S)
        return within_years(pc.cast(seconds, pa.timestamp("s")))
    if pa.types.is_timestamp(column.type):
        return within_years(column)
    seconds = pc.cast(column, pa.float64(), safe=False)
    with np.errstate(invalid="ignore"):
        found = seconds.to_numpy(zero_copy_only=False)
        bad = np.isfinite(found) & ((found < FIRST_S) | (found >= END_S))
    micros = pc.cast(pc.round(pc.multiply(pc.if_else(pa.array(bad), 0.0, seconds), 1e6)), pa.int64(), safe=False)
    known = pc.and_(pc.is_finite(seconds), pa.array(~bad))
    return Cleaned(pc.cast(pc.if_else(known, micros, None), NAIVE), bad)


def iso_moments(column: Any) -> Cleaned | None:
    """Texts that are all moments in ISO 8601; None where one is not."""
    for kind in (NAIVE, AWARE):
        try:
            return within_years(pc.cast(column, kind))
        except pa.ArrowInvalid:
            continue
    return None


def _moments(column: Any) -> Cleaned:
    """Texts as moments, each in ISO 8601 or a misfit."""
    known: dict[str, Any] = {}
    for text in pc.unique(column).to_pylist():
        found = None if text is None else iso_moments(pa.array([text]))
        if found is not None:
            known[text] = found.values[0].as_py()
    values = pa.array([known.get(text) for text in column.to_pylist()], NAIVE)
    bad = pc.and_(values.is_null(), column.is_valid()).to_numpy(zero_copy_only=False)
    return Cleaned(values, bad)


def within_years(moments: Any) -> Cleaned:
    """Timestamps of any unit in microseconds, UTC; those outside of the years 1 to 9999 are misfits. Nanoseconds do not
    reach so far."""
    unit, bad = moments.type.unit, no_misfits(moments)
    if unit in TICKS:
        ticks = pc.cast(moments, pa.int64())
        outside = pc.or_(pc.less(ticks, FIRST_S * TICKS[unit]), pc.greater_equal(ticks, END_S * TICKS[unit]))
        bad = pc.fill_null(outside, False).to_numpy(zero_copy_only=False)
        if bad.any():
            moments = pc.if_else(pa.array(bad), pa.scalar(None, moments.type), moments)
    micros = pc.cast(pc.cast(moments, pa.timestamp("us", moments.type.tz), safe=False), pa.int64())
    return Cleaned(pc.cast(micros, NAIVE), bad)


def from_text(column: Any, parse: Callable[[str], Any], kind: Any) -> Cleaned:
    """Values of text one by one, unless all of them fit at once."""
    if kind in (pa.float64(), pa.bool_()) or (kind == pa.int64() and not _any_hexadecimal(column)):
        try:
            return Cleaned(pc.cast(column, kind), no_misfits(column))
        except pa.ArrowInvalid:
            pass
    values, bad = [], np.zeros(len(column), dtype=bool)
    for position, text in enumerate(column.to_pylist()):
        value = None
        if text is not None:
            try:
                value = parse(text.strip())
            except (ValueError, OverflowError):
                bad[position] = True
        values.append(value)
    return Cleaned(pa.array(values, kind), bad)


def _any_hexadecimal(column: Any) -> bool:
    """Whether Arrow would read a text such as 0x1f as a number, which nobody else does."""
    return bool(pc.any(pc.match_substring(column, "x", ignore_case=True)).as_py())


def _whole(text: str) -> int | None:
    try:
        value = int(text)
    except ValueError:
        number = float(text)
        if number != number:
            return None
        value = int(number)
        if value != number:
            raise ValueError(text) from None
    if not -(2**63) <= value < 2**63:
        raise ValueError(text)
    return value


def _truth(text: str) -> bool:
    if text.lower() not in TRUTHS:
        raise ValueError(text)
    return TRUTHS[text.lower()]


def is_text(column: Any) -> bool:
    """Whether an Arrow array holds texts."""
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def no_misfits(column: Any) -> NDArray[np.bool_]:
    """The marks of a column whose values all fit, shape (n,)."""
    return np.zeros(len(column), dtype=bool)


CASTS: dict[ColumnKind, Callable[[Any], Cleaned]] = {
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "category": _category,
    "datetime": _datetime,
    "text": _category,
}
