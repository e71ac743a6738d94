"""Dates in local formats as moments, by DuckDB."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from daemon.reading.sql import connect, literal
from retrain.rows.local_formats import FIRST_YEAR, with_clocks


def local_moments(texts: Any, date_formats: Sequence[str]) -> Any:
    """The moments of an Arrow array of texts as timestamps in microseconds, UTC; null where a text is of none of the
    formats, with or without a time of day."""
    formats = ", ".join(literal(one) for date_format in date_formats for one in with_clocks(date_format))
    found = connect().from_arrow(pa.table({"v": texts})).project(f"try_strptime(trim(v), [{formats}]) AS v")
    valid = found.project(f"CASE WHEN year(v) >= {FIRST_YEAR} THEN v END AS v").to_arrow_table().column(0)
    return pc.cast(pa.concat_arrays([pa.array([], valid.type), *valid.chunks]), pa.timestamp("us"))
