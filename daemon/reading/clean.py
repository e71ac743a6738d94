"""One column of a batch as the schema's kind: values that do not fit are marked, infinities become missing."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from daemon.reading.moments import local_moments
from daemon.reading.rejects import EXPECTED
from daemon.reading.sql import connect
from drift.columns.casts import (
    END_S,
    FIRST_S,
    NAIVE,
    TYPES,
    Cleaned,
    cast,
    from_text,
    is_text,
    iso_moments,
    no_misfits,
    within_years,
)
from retrain.records.errors import Refused
from retrain.records.formats import PLAIN, Formats
from retrain.records.settings import ColumnKind
from retrain.rows.local_formats import plain_numbers


def clean(column: Any, name: str, kind: ColumnKind, formats: Formats = PLAIN) -> Cleaned:
    """An Arrow array as that kind, its texts written in these formats; Refused where its type cannot hold such values
    at all."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return Cleaned(pa.nulls(len(column), TYPES[kind]), no_misfits(column))
    try:
        if is_text(column):
            return _clean_texts(column, kind, formats)
        return cast(column, kind)
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
        return _datetime_text(column) if kind == "datetime" else cast(column, kind)
    if kind == "datetime":
        return _local_dates(column, formats)
    numbers = plain_numbers(column, formats)
    cleaned = cast(numbers, kind)
    strangers = pc.and_(numbers.is_null(), column.is_valid()).to_numpy(zero_copy_only=False)
    return replace(cleaned, bad=cleaned.bad | strangers)


def _local_dates(column: Any, formats: Formats) -> Cleaned:
    """Dates of these formats, and as programs write them."""
    moments = within_years(local_moments(column, formats.date_format)).values
    others = _datetime_text(pc.if_else(moments.is_null(), column, pa.scalar(None, column.type)))
    return Cleaned(pc.coalesce(moments, others.values), others.bad)


def _datetime_text(column: Any) -> Cleaned:
    """Texts as moments, in any form that DuckDB or Python reads."""
    if (known := iso_moments(column)) is not None:
        return known
    texts = connect().from_arrow(pa.table({"v": column}))
    found = texts.project("TRY_CAST(v AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS v").to_arrow_table().column(0)
    moments = within_years(pc.cast(pa.concat_arrays(found.chunks), NAIVE)).values
    left = from_text(pc.if_else(moments.is_null(), column, None), _moment, NAIVE)
    return Cleaned(pc.coalesce(moments, left.values), left.bad)


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
