"""Frames in memory as tables to compare: pandas, polars, Arrow, and all that has Arrow's PyCapsule interface."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drift.columns.casts import TYPES, Cleaned, cast
from drift.columns.column_kind import ColumnKind
from drift.columns.kinds import as_texts, decoded_texts, kind_of
from drift.columns.values import column_values, join
from drift.notation import agreed, counted
from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues

BATCH_ROWS = 131_072
CAPSULES = ("__arrow_c_stream__", "__arrow_c_array__")


@dataclass
class Frame:
    """A table of Arrow whose columns are read as `kinds` says; `notes` and `misfits` are as of `Table`."""

    table: Any
    kinds: Mapping[str, ColumnKind]
    notes: list[str] = field(default_factory=list)
    misfits: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Of all columns, in their order."""
        return list(self.table.column_names)

    @cached_property
    def rows(self) -> int:
        """How many there are."""
        return int(self.table.num_rows)

    def chunks(self, name: str) -> Iterator[ColumnValues]:
        """The column as its kind, a batch of rows at a time; what does not fit it is missing."""
        kind = "category" if self.kinds[name] == "text" else self.kinds[name]
        misfits = 0
        for column in self._batches(name):
            fitted = _fitted(column, kind)
            misfits += int(np.count_nonzero(fitted.bad))
            yield column_values(fitted.values, kind)
        self.misfits[name] = misfits

    def texts(self, name: str) -> Iterator[Any]:
        """The column as Arrow arrays of text, a batch of rows at a time."""
        return map(decoded_texts, self._batches(name))

    def values(self, name: str, step: int = 1) -> ColumnValues:
        """The column, or every `step`-th value."""
        whole = join(list(self.chunks(name))) if self.rows else _nothing(self.kinds[name])
        if step == 1:
            return whole
        return Codes(whole.codes[::step], whole.names) if isinstance(whole, Codes) else whole[::step]

    def words(self, name: str, most: int) -> list[str | None]:
        """At most so many texts of a column, from all over it."""
        step = max(1, -(-self.rows // most))
        some = self.table.column(name).take(pa.array(np.arange(0, self.rows, step)))
        words: list[str | None] = decoded_texts(some.combine_chunks()).to_pylist()
        return words

    def note_misfits(self, name: str) -> None:
        """Note how many values of a column that was read are not of its kind."""
        if self.misfits.get(name):
            count, they = self.misfits[name], "it counts" if self.misfits[name] == 1 else "they count"
            no_such = f"{agreed(count, 'are')} no {self.kinds[name]}"
            self.notes.append(f"{counted(count, 'value')} of {name} {no_such}; {they} as missing")

    def _batches(self, name: str) -> Iterator[Any]:
        for chunk in self.table.column(name).chunks:
            for start in range(0, len(chunk), BATCH_ROWS):
                yield chunk.slice(start, BATCH_ROWS)


def frame(data: Any, kinds: Mapping[str, ColumnKind] | None = None) -> Frame:
    """A frame as a table; None: its types and values decide what its columns are, else the `kinds` of the reference.
    TypeError where it is no frame, ValueError where two columns have one name."""
    table = _without_views(_arrow(data))
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"several columns are called {twice[0]!r}; a comparison goes by the names of columns")
    found = {name: kinds[name] for name in names if name in kinds} if kinds is not None else _kinds(table)
    return Frame(table, found)


def named(given: str | Collection[str], *tables: Frame) -> list[str]:
    """Names of columns that were given, one or several. ValueError where a table has none of that name."""
    names = [given] if isinstance(given, str) else list(given)
    known = dict.fromkeys(name for table in tables for name in table.names)
    for name in names:
        if name not in known:
            more = f" and {len(known) - 10} more" if len(known) > 10 else ""
            raise ValueError(f"{name!r} is no column; there are {', '.join(list(known)[:10])}{more}")
    return names


def _kinds(table: Any) -> dict[str, ColumnKind]:
    kinds = {name: kind_of(table.column(name)) for name in table.column_names}
    return {name: "number" if kind == "integer" else kind for name, kind in kinds.items()}


def _arrow(data: Any) -> Any:
    """Any frame as a table of Arrow."""
    if isinstance(data, pa.Table):
        return data
    if _is_pandas(data):
        return _of_pandas(data)
    if isinstance(data, Mapping) or any(hasattr(data, name) for name in CAPSULES):
        return pa.table(data)
    hint = "call .collect() first" if hasattr(data, "collect") else "expected a frame of pandas, polars or Arrow"
    raise TypeError(f"{type(data).__module__}.{type(data).__qualname__} is no frame: {hint}")


def _without_views(table: Any) -> Any:
    """With texts as Arrow's other functions know them: polars has them as views."""
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if pa.types.is_string_view(column.type) or pa.types.is_binary_view(column.type):
            table = table.set_column(place, name, pc.cast(column, _plain(column.type)))
        elif pa.types.is_dictionary(column.type) and pa.types.is_string_view(column.type.value_type):
            pieces = [(chunk.indices, pc.cast(chunk.dictionary, pa.large_string())) for chunk in column.chunks]
            kind = pa.dictionary(column.type.index_type, pa.large_string())
            codes = pa.chunked_array([pa.DictionaryArray.from_arrays(*piece) for piece in pieces], kind)
            table = table.set_column(place, name, codes)
    return table


def _plain(view: Any) -> Any:
    return pa.large_string() if pa.types.is_string_view(view) else pa.large_binary()


def _is_pandas(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "items") and hasattr(data, "columns")


def _of_pandas(data: Any) -> Any:
    """Its columns, without the index; what Arrow has no type for is text."""
    names, arrays = [], []
    for name, series in data.items():
        names.append(name if isinstance(name, str) else str(name))
        try:
            arrays.append(pa.array(series, from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            missing = series.isna().to_numpy()
            texts = [None if gone else _text(value) for value, gone in zip(series, missing, strict=True)]
            arrays.append(pa.array(texts, pa.string()))
    return pa.Table.from_arrays([_chunked(array) for array in arrays], names=names)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _chunked(array: Any) -> Any:
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _fitted(column: Any, kind: ColumnKind) -> Cleaned:
    """An Arrow array as that kind; all of it is missing where its type can hold no such values."""
    if kind == "category":
        texts = as_texts(column)
        return Cleaned(texts, np.zeros(len(column), dtype=bool))
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return Cleaned(pa.nulls(len(column), TYPES[kind]), np.zeros(len(column), dtype=bool))
    try:
        return cast(column, kind)
    except (pa.ArrowException, TypeError):
        return Cleaned(pa.nulls(len(column), TYPES[kind]), column.is_valid().to_numpy(zero_copy_only=False))


def _nothing(kind: ColumnKind) -> ColumnValues:
    return np.zeros(0) if kind in ("number", "datetime") else Codes(np.zeros(0, dtype=np.int64), ())
