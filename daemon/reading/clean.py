"""One column of a batch as the schema's kind: values that do not fit are marked, infinities become missing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from daemon.reading.moments import local_moments
from daemon.reading.rejects import EXPECTED
from daemon.reading.sql import connect
from retrain.records.errors import Refused
from retrain.records.formats import PLAIN, Formats
from retrain.records.settings import ColumnKind
from retrain.rows.local_formats import plain_numbers
from retrain.rows.retype import TYPES

ARROW = TYPES
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


def clean(column: Any, name: str, kind: ColumnKind, formats: Formats = PLAIN) -> Cleaned:
    """An Arrow array as that kind, its texts written in these formats; Refused where its type cannot hold such values
    at all."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return Cleaned(pa.nulls(len(column), ARROW[kind]), _none(column))
    try:
        if _is_text(column):
            return _clean_texts(column, kind, formats)
        return CLEANERS[kind](column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, TypeError):
        raise Refused(f"column {name!r} is of type {column.type}", f"expected {EXPECTED[kind]}") from None


def is_local(kind: ColumnKind, formats: Formats) -> bool:
    """Whether texts of a kind are not written as programs do."""
    return formats.numbers if kind in ("number", "integer") else kind == "datetime" and bool(formats.date_format)


def _clean_texts(column: Any, kind: ColumnKind, formats: Formats) -> Cleaned:
    """Texts as that kind: the words for missing values first, then what local formats make of them."""
    if formats.na_values:
        missing = pc.is_in(pc.utf8_trim_whitespace(column), value_set=pa.array(formats.na_values, column.type))
        column = pc.if_else(missing, pa.scalar(None, column.type), column)
    if not is_local(kind, formats):
        return CLEANERS[kind](column)
    if kind == "datetime":
        return _local_dates(column, formats)
    numbers = plain_numbers(column, formats)
    cleaned = CLEANERS[kind](numbers)
    strangers = pc.and_(numbers.is_null(), column.is_valid()).to_numpy(zero_copy_only=False)
    return replace(cleaned, bad=cleaned.bad | strangers)


def _local_dates(column: Any, formats: Formats) -> Cleaned:
    """Dates of these formats, and as programs write them."""
    moments = _within_years(local_moments(column, formats.date_format)).values
    others = _datetime_text(pc.if_else(moments.is_null(), column, pa.scalar(None, column.type)))
    return Cleaned(pc.coalesce(moments, others.values), others.bad)


def _number(column: Any) -> Cleaned:
    if _is_text(column):
        return _nullified(_from_text(column, float, pa.float64()))
    if pa.types.is_decimal(column.type):  # by its text, the nearest double: Arrow's own cast may be a bit off
        column = pc.cast(column, pa.string())
    return _nullified(Cleaned(pc.cast(column, pa.float64(), safe=False), _none(column)))


def _nullified(cleaned: Cleaned) -> Cleaned:
    """NaN and infinities as null."""
    finite = pc.is_finite(cleaned.values)
    if pc.all(finite, skip_nulls=True).as_py() in (True, None):
        return cleaned
    infinite = pc.sum(pc.is_inf(cleaned.values)).as_py() or 0
    return Cleaned(pc.if_else(finite, cleaned.values, None), cleaned.bad, infinite)


def _integer(column: Any) -> Cleaned:
    if _is_text(column):
        return _from_text(column, _whole, pa.int64())
    try:
        return Cleaned(pc.cast(column, pa.int64(), safe=True), _none(column))
    except pa.ArrowInvalid:
        numbers = _number(column)
        values = numbers.values.to_numpy(zero_copy_only=False)
        with np.errstate(invalid="ignore"):
            bad = np.isfinite(values) & ((values != np.trunc(values)) | (np.abs(values) >= LARGEST_WHOLE))
        whole = pc.if_else(pa.array(~bad), numbers.values, None)
        return Cleaned(pc.cast(whole, pa.int64(), safe=False), bad, numbers.infinite)


def _boolean(column: Any) -> Cleaned:
    if pa.types.is_boolean(column.type):
        return Cleaned(column, _none(column))
    if _is_text(column):
        return _from_text(column, _truth, pa.bool_())
    numbers = pc.cast(column, pa.float64(), safe=False)
    values = numbers.to_numpy(zero_copy_only=False)
    bad = ~np.isin(values, (0.0, 1.0)) & ~np.isnan(values)
    kept = pc.if_else(pa.array(~bad & ~np.isnan(values)), numbers, None)
    return Cleaned(pc.equal(kept, 1.0), bad)


def _category(column: Any) -> Cleaned:
    if pa.types.is_nested(column.type):
        raise TypeError
    return Cleaned(pc.cast(column, pa.string()), _none(column))


def _datetime(column: Any) -> Cleaned:
    if _is_text(column):
        return _datetime_text(column)
    if pa.types.is_date(column.type):
        column = pc.cast(pc.cast(column, pa.date32()), pa.int32())
        seconds = pc.multiply(pc.cast(column, pa.int64()), DAY_S)
        return _within_years(pc.cast(seconds, pa.timestamp("s")))
    if pa.types.is_timestamp(column.type):
        return _within_years(column)
    seconds = pc.cast(column, pa.float64(), safe=False)
    with np.errstate(invalid="ignore"):
        found = seconds.to_numpy(zero_copy_only=False)
        bad = np.isfinite(found) & ((found < FIRST_S) | (found >= END_S))
    micros = pc.cast(pc.round(pc.multiply(pc.if_else(pa.array(bad), 0.0, seconds), 1e6)), pa.int64(), safe=False)
    known = pc.and_(pc.is_finite(seconds), pa.array(~bad))
    return Cleaned(pc.cast(pc.if_else(known, micros, None), NAIVE), bad)


def _within_years(moments: Any) -> Cleaned:
    """Timestamps of any unit in microseconds, UTC; those outside of the years 1 to 9999 are misfits. Nanoseconds do not
    reach so far."""
    unit, bad = moments.type.unit, _none(moments)
    if unit in TICKS:
        ticks = pc.cast(moments, pa.int64())
        outside = pc.or_(pc.less(ticks, FIRST_S * TICKS[unit]), pc.greater_equal(ticks, END_S * TICKS[unit]))
        bad = pc.fill_null(outside, False).to_numpy(zero_copy_only=False)
        if bad.any():
            moments = pc.if_else(pa.array(bad), pa.scalar(None, moments.type), moments)
    micros = pc.cast(pc.cast(moments, pa.timestamp("us", moments.type.tz), safe=False), pa.int64())
    return Cleaned(pc.cast(micros, NAIVE), bad)


def _datetime_text(column: Any) -> Cleaned:
    for kind in (NAIVE, AWARE):
        try:
            return _within_years(pc.cast(column, kind))
        except pa.ArrowInvalid:
            continue
    texts = connect().from_arrow(pa.table({"v": column}))
    found = texts.project("TRY_CAST(v AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS v").to_arrow_table().column(0)
    moments = _within_years(pc.cast(pa.concat_arrays(found.chunks), NAIVE)).values
    left = _from_text(pc.if_else(moments.is_null(), column, None), _moment, NAIVE)
    return Cleaned(pc.coalesce(moments, left.values), left.bad)


def _from_text(column: Any, parse: Callable[[str], Any], kind: Any) -> Cleaned:
    """Values of text one by one, unless all of them fit at once."""
    if kind in (pa.float64(), pa.bool_()) or (kind == pa.int64() and not _any_hexadecimal(column)):
        try:
            return Cleaned(pc.cast(column, kind), _none(column))
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


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        seconds = float(text)
        if not FIRST_S <= seconds < END_S:  # the system's clock would say EOVERFLOW, as if the world were at fault
            raise ValueError(text) from None
        moment = datetime.fromtimestamp(seconds, UTC)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment


def _is_text(column: Any) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _none(column: Any) -> NDArray[np.bool_]:
    return np.zeros(len(column), dtype=bool)


CLEANERS: dict[ColumnKind, Callable[[Any], Cleaned]] = {
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "category": _category,
    "datetime": _datetime,
    "text": _category,
}
