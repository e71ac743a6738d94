"""When rows happened: by the model's time column, else by when their file came."""

import time

import numpy as np
import pyarrow as pa

from retrain.operations import AcceptedFile
from retrain.records.predictions import Floats
from retrain.records.schema import Schema
from retrain.rows.columns import column_values

AHEAD_S = 86_400.0
"""A time further ahead of the clock on the wall is no time at which anything happened."""


def time_span(times: Floats, now: float | None = None) -> tuple[float, float] | None:
    """The first and the last of times (n,), Unix seconds; None without any. One that lies ahead of `now` makes no other
    row old: such are left out, and where there are no others they count as of `now` (None: the wall clock's)."""
    now = time.time() if now is None else now
    present = times[np.isfinite(times)]
    past = present[present <= now + AHEAD_S]
    if len(past):
        return float(past.min()), float(past.max())
    return (now, now) if len(present) else None


def event_times(table: pa.Table, file: AcceptedFile, schema: Schema, latest: float | None = None) -> Floats:
    """The time column of n rows as Unix seconds (n,), a missing one as the `latest` of its file (None: of these rows);
    without a time column the file's acceptance."""
    name = schema.time_column
    if name is None or name not in table.column_names:
        return np.full(table.num_rows, file.accepted_at)
    column = table.column(name)
    times = np.asarray(column_values(column, "datetime" if pa.types.is_timestamp(column.type) else "number"))
    present = np.isfinite(times)
    if latest is None:
        latest = float(times[present].max()) if present.any() else file.accepted_at
    filled: Floats = np.where(present, times, latest)
    return filled
