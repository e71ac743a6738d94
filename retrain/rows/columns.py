"""Columns of a snapshot as the drift statistics read them: numbers with NaN, or categories as codes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drift.columns import values
from drift.columns.values import join
from drift.profiles.profile import ColumnValues
from retrain.records.settings import ColumnKind
from retrain.rows.retype import as_kind

TEXT_ROWS = 100_000
CATEGORICAL: tuple[ColumnKind, ...] = ("boolean", "category")


def read_column(paths: Sequence[Path], name: str, kind: ColumnKind) -> ColumnValues | None:
    """One column of all snapshots, end to end; None where a snapshot lacks it."""
    chunks: list[Any] = []
    for path in paths:
        with open_snapshot(path, (name,) if kind == "category" else ()) as file:
            if name not in file.schema_arrow.names:
                return None
            chunks.append(column_values(file.read(columns=[name]).column(0), kind))
    return join(chunks)


def read_texts(paths: Sequence[Path], name: str) -> list[str | None] | None:
    """At most 100,000 texts from all over the snapshots, in their order; None where a snapshot lacks the column."""
    columns = []
    for path in paths:
        with open_snapshot(path) as file:
            if name not in file.schema_arrow.names:
                return None
            columns.append(as_kind(file.read(columns=[name]).column(0), "text"))
    whole = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())
    step = max(1, -(-len(whole) // TEXT_ROWS))
    texts: list[str | None] = whole.take(pa.array(np.arange(0, len(whole), step))).to_pylist()
    return texts


def open_snapshot(path: Path, dictionaries: Sequence[str] = (), footer: Any = None) -> Any:
    """A Parquet file for reading column by column; `dictionaries` are read as codes. Its `footer`, where that was read
    before, is not read again."""
    return pq.ParquetFile(path, pre_buffer=False, read_dictionary=list(dictionaries), metadata=footer)


def column_values(column: Any, kind: ColumnKind) -> ColumnValues:
    """An Arrow array or chunked array of n values, of that kind or made so: shape (n,), datetimes as Unix seconds.

    >>> column_values(pa.array(["1.5", None]), "number")
    array([1.5, nan])
    """
    return values.column_values(as_kind(column, kind), kind)
