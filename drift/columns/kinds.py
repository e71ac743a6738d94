"""What a column of Arrow is, by its type and, of texts, by its first values."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from drift.columns.casts import iso_moments
from drift.columns.column_kind import ColumnKind
from drift.derived.text import is_text

SAMPLE_ROWS = 50_000
"""So many rows from the beginning tell what a column is."""
TEXT_PROBE = 1_000
"""So many values tell sentences from names."""


def kind_of(column: Any) -> ColumnKind:
    """Of an Arrow chunked array. Texts are dates where all are in ISO 8601, sentences ("text") where they are long and
    differ, else categories; so is what has no other kind, such as times of day and lists.

    >>> kind_of(pa.chunked_array([["2024-05-01", None]])), kind_of(pa.chunked_array([[1.5]]))
    ('datetime', 'number')
    """
    found = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_boolean(found):
        return "boolean"
    if pa.types.is_integer(found) or pa.types.is_null(found):
        return "integer"
    if pa.types.is_floating(found) or pa.types.is_decimal(found):
        return "number"
    if pa.types.is_timestamp(found) or pa.types.is_date(found):
        return "datetime"
    return _kind_of_texts(column.slice(0, SAMPLE_ROWS))


def _kind_of_texts(column: Any) -> ColumnKind:
    if not len(column):
        return "category"
    texts = decoded_texts(column.combine_chunks())
    if texts.null_count < len(texts) and iso_moments(texts) is not None:
        return "datetime"
    return "text" if is_text(texts.slice(0, TEXT_PROBE).to_pylist()) else "category"


def as_texts(column: Any) -> Any:
    """An Arrow array as text, a dictionary as it is; lists and structures as JSON."""
    if pa.types.is_dictionary(column.type):
        return column
    if not pa.types.is_nested(column.type):
        try:
            return pc.cast(column, pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass
    return pa.array([None if value is None else json.dumps(value, default=str) for value in column.to_pylist()])


def decoded_texts(column: Any) -> Any:
    """An Arrow array as text, without a dictionary."""
    return as_texts(column.dictionary_decode() if pa.types.is_dictionary(column.type) else column)
