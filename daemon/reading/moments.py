"""Dates in local formats as moments, by DuckDB."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from daemon.reading.sql import connect, literal

CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p")
BETWEEN = (" ", ", ", "T")
FIRST_YEAR = 1000
"""A year of two digits that is read as one of four is none."""


def local_moments(texts: Any, date_formats: Sequence[str]) -> Any:
    """The moments of an Arrow array of texts as timestamps in microseconds, UTC; null where a text is of none of the
    formats, with or without a time of day."""
    formats = ", ".join(literal(one) for date_format in date_formats for one in _with_clocks(date_format))
    found = connect().from_arrow(pa.table({"v": texts})).project(f"try_strptime(trim(v), [{formats}]) AS v")
    valid = found.project(f"CASE WHEN year(v) >= {FIRST_YEAR} THEN v END AS v").to_arrow_table().column(0)
    return pc.cast(pa.concat_arrays([pa.array([], valid.type), *valid.chunks]), pa.timestamp("us"))


def _with_clocks(date_format: str) -> list[str]:
    """The format, and where it names no time of day, those with one behind."""
    if any(code in date_format for code in ("%H", "%I", "%X", "%c")):
        return [date_format]
    return [date_format, *(f"{date_format}{between}{clock}" for between in BETWEEN for clock in CLOCKS)]
