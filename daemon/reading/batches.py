"""Rows of a Parquet file in batches that are bounded in rows, cells and bytes: a dictionary or a compressed page of a
few kilobytes may stand for gigabytes of text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from daemon.reading.rejects import Reject, Rejects
from daemon.reading.sql import connect, literal, plain_path
from retrain.records.errors import Refused

BATCH_ROWS = 65_536
BATCH_CELLS = 4_000_000
BATCH_BYTES = 64 * 2**20
BUFFERED = 2**16
"""Bytes of a column that are read from the file at once; without it a column of a row group is read whole."""
LONGEST_CELL = 1_000_000
"""Bytes of a text: a row with a longer one is set aside."""
LARGE_CHUNK, MOST_TIMES = 256 * 2**20, 200
"""A column of a row group with more bytes is refused where they are so many times those in the file: a page may be as
large, and is decompressed whole. Prose is compressed to a fifth, repeated values are in a dictionary."""


@dataclass(frozen=True)
class _Footer:
    """What a footer says of a column: the most bytes that it has in a row group, and for each value of one; whether
    some of them are in a dictionary, and whether they may be texts."""

    bytes: int
    each: int
    has_dictionary: bool
    has_texts: bool


def batches(source: Path, names: Sequence[str], rejects: Rejects, most_rows: int = BATCH_ROWS) -> Iterator[Any]:
    """Record batches, of `most_rows` at most, of these columns and `__row`, counted from 1 where the file does not have
    it. Texts that the file has in a dictionary stay so. Rows with a text that is too long are added to `rejects`
    instead."""
    footer = _footer(source, names)
    coded = [name for name, column in footer.items() if column.has_dictionary]
    with pq.ParquetFile(source, pre_buffer=False, buffer_size=BUFFERED, read_dictionary=coded) as file:
        present = set(file.schema_arrow.names)
        wanted = [name for name in names if name in present]
        numbered = ["__row"] if "__row" in present else []
        read = 0
        for batch in file.iter_batches(batch_size=min(most_rows, _rows_at_once(footer)), columns=[*wanted, *numbered]):
            positions = pa.array(np.arange(read + 1, read + 1 + batch.num_rows))
            read += batch.num_rows
            yield from _by_bytes(batch if numbered else batch.append_column("__row", positions), rejects)


def refuse_long_cells(source: Path, names: Sequence[str], rows: int) -> None:
    """Refused where one of about the first `rows` rows of a Parquet file has a text that is too long. Columns that are
    too small for that are not read."""
    large = [
        name for name, column in _footer(source, names).items() if column.has_texts and column.bytes > LONGEST_CELL
    ]
    rejects, read = Rejects(1), 0
    for batch in batches(source, large, rejects) if large else ():
        read += batch.num_rows
        if rejects.count or read >= rows:
            break
    for first in rejects.first(1):
        raise Refused(f"row {first.line}, column {first.column!r}: {first.reason}")


def _footer(source: Path, names: Sequence[str]) -> dict[str, _Footer]:
    """By column, what the footer says; Refused where it is too much for its bytes. DuckDB reads it: Arrow ends the
    process over a damaged one."""
    rows = connect().execute(
        "SELECT path_in_schema, max(total_uncompressed_size), "
        "max(total_uncompressed_size // greatest(1, num_values)), "
        f"bool_or(dictionary_page_offset IS NOT NULL AND type = 'BYTE_ARRAY'), "
        f"max(CASE WHEN total_uncompressed_size > greatest({LARGE_CHUNK}, {MOST_TIMES} * total_compressed_size) "
        "THEN total_uncompressed_size END), bool_or(type = 'BYTE_ARRAY') "
        f"FROM parquet_metadata({literal(plain_path(source))}) GROUP BY 1"
    )
    footer = {}
    for name, size, each, has_dictionary, too_many, has_texts in rows.fetchall():
        if name not in names:
            continue
        if too_many is not None:
            reason = f"column {name!r} has {too_many:,} bytes, over {MOST_TIMES} times those that it has in the file"
            raise Refused(reason, "write it in smaller row groups")
        footer[name] = _Footer(size or 0, each or 0, bool(has_dictionary), bool(has_texts))
    return footer


def _rows_at_once(footer: Mapping[str, _Footer]) -> int:
    """As many rows as have BATCH_BYTES where each column's values are the longest."""
    rows = max(100, min(BATCH_ROWS, BATCH_CELLS // max(1, len(footer))))
    return max(1, min(rows, BATCH_BYTES // max(1, sum(column.each for column in footer.values()))))


def _is_text(kind: Any) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(check(kind) for check in checks)


def _by_bytes(batch: Any, rejects: Rejects) -> Iterator[Any]:
    """The batch in parts of about BATCH_BYTES of text, without rows that have too long a text."""
    sizes, kept = np.zeros(batch.num_rows, dtype=np.int64), np.ones(batch.num_rows, dtype=bool)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        lengths = _lengths(column)
        if lengths is None:
            continue
        for place in np.flatnonzero((lengths > LONGEST_CELL) & kept):
            reason = f"is a text of {lengths[place]:,} bytes; at most {LONGEST_CELL:,}"
            rejects.append(Reject(batch.column("__row")[int(place)].as_py(), name, reason))
        kept &= lengths <= LONGEST_CELL
        sizes += lengths
    if not kept.all():
        batch, sizes = batch.filter(pa.array(kept)), sizes[kept]
    parts = np.cumsum(sizes) // BATCH_BYTES
    for start, end in pairwise([0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), batch.num_rows]):
        if end > start:
            yield batch.slice(start, end - start)


def _lengths(column: Any) -> NDArray[np.int64] | None:
    """Bytes of each text (n,), 0 for a missing one; None for what is no text."""
    if pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
        lengths = np.asarray(pc.binary_length(column.dictionary).to_numpy(zero_copy_only=False), dtype=np.float64)
        table = np.append(np.nan_to_num(lengths), 0).astype(np.int64)
        places = pc.fill_null(column.indices, len(table) - 1).to_numpy(zero_copy_only=False)
        return np.asarray(table[places], dtype=np.int64)
    if _is_text(column.type):
        return np.asarray(pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    return None
