"""Columns of Arrow as the drift statistics read them: numbers with NaN, or categories as codes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drift.columns.column_kind import ColumnKind
from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues


def column_values(column: Any, kind: ColumnKind) -> ColumnValues:
    """An Arrow array or chunked array of n values of that kind: shape (n,), datetimes as Unix seconds.

    >>> column_values(pa.array([1, None]), "integer")
    array([ 1., nan])
    >>> column_values(pa.array([True, None]), "boolean").codes
    array([ 1, -1])
    """
    if kind == "boolean":
        codes = pc.fill_null(pc.cast(pc.cast(column, pa.bool_()), pa.int64()), -1)
        return Codes(_numpy(codes), ("false", "true"))
    if kind == "category":
        return _codes(column)
    if pa.types.is_timestamp(column.type):
        seconds = pc.cast(pc.cast(column, pa.timestamp("us", column.type.tz), safe=False), pa.int64())
        return _numpy(pc.cast(seconds, pa.float64(), safe=False)) / 1e6
    return _numpy(pc.cast(column, pa.float64(), safe=False))


def join(pieces: Sequence[ColumnValues]) -> ColumnValues:
    """Consecutive pieces of one column as one; at least one piece."""
    if len(pieces) == 1:
        return pieces[0]
    codes = [piece for piece in pieces if isinstance(piece, Codes)]
    if not codes:
        return np.concatenate([np.asarray(piece, dtype=np.float64) for piece in pieces])
    return _joined_codes(codes)


def _joined_codes(pieces: Sequence[Codes]) -> Codes:
    if len(pieces) == 1:
        return pieces[0]
    names = sorted({str(name) for piece in pieces for name in piece.names})
    index = {name: code for code, name in enumerate(names)}
    tables = [np.array([*(index[str(name)] for name in piece.names), -1], dtype=np.int64) for piece in pieces]
    codes = [table[piece.codes] for table, piece in zip(tables, pieces, strict=True)]
    return Codes(np.concatenate(codes), tuple(names))


def _codes(column: Any) -> Codes:
    """Codes of an Arrow column of text, whose dictionary may itself hold a null."""
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(pc.cast(column, pa.string()))
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    if not chunks:
        return Codes(np.zeros(0, dtype=np.int64), ())
    if any(not chunk.dictionary.equals(chunks[0].dictionary) for chunk in chunks[1:]):
        return _joined_codes([_chunk_codes(chunk, _entries(chunk)) for chunk in chunks])
    entries = _entries(chunks[0])
    pieces = [_chunk_codes(chunk, entries) for chunk in chunks]
    return Codes(np.concatenate([piece.codes for piece in pieces]), pieces[0].names) if pieces[1:] else pieces[0]


def _entries(chunk: Any) -> list[str | None]:
    """The dictionary's, as text; it may hold a null."""
    return [None if entry is None else str(entry) for entry in chunk.dictionary.to_pylist()]


def _chunk_codes(chunk: Any, entries: list[str | None]) -> Codes:
    """Codes as wide as Arrow's indices, not copied where none is null."""
    indices = chunk.indices
    if pa.types.is_unsigned_integer(indices.type):
        indices = pc.cast(indices, pa.int64())
    codes = _numpy(pc.fill_null(indices, -1) if indices.null_count else indices)
    nulls = [position for position, entry in enumerate(entries) if entry is None]
    if nulls:
        codes = np.where(np.isin(codes, nulls), -1, codes)
    return Codes(codes, tuple("" if entry is None else entry for entry in entries))


def _numpy(column: Any) -> NDArray[Any]:
    """A NumPy array of an Arrow array or chunked array; nulls of floats are NaN."""
    if isinstance(column, pa.ChunkedArray):
        return np.asarray(column.to_numpy())
    return np.asarray(column.to_numpy(zero_copy_only=False))
