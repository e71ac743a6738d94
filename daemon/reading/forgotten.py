"""Rows of people who are forgotten, found in tables by their marks, or by the ids themselves while these are known."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from daemon.reading.clean import clean
from daemon.reading.marks import Marks, marker
from daemon.reading.rejects import Reject
from retrain.records.errors import Refused
from retrain.records.schema import Schema

TOKENS = re.compile(r"[\s,;|\t\"'{}\[\]:()=…]+")


def texts(column: Any) -> Any:
    """A column (n,) as the texts by which ids are compared: whole numbers without a point."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    column = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        return pa.array([None if v is None or v != v else _number(v) for v in column.to_pylist()], pa.string())
    return column if pa.types.is_string(column.type) else pc.cast(column, pa.string())


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def among(column: Any, values: Collection[str]) -> NDArray[np.bool_]:
    """Which rows (n,) of a column are one of these texts."""
    found = pc.is_in(texts(column), value_set=pa.array(sorted(values), pa.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def marked(column: Any, marks: Marks, name: str) -> NDArray[np.bool_]:
    """Which rows (n,) of the column of that name are someone's who is forgotten."""
    base, known = marker(marks.model, name, bytes.fromhex(marks.key)), set(map(bytes.fromhex, marks.columns[name]))

    def is_known(text: str | None) -> bool:
        if text is None:
            return False
        one = base.copy()
        one.update(text.encode("utf-8", "surrogatepass"))
        return one.digest() in known

    return np.fromiter(map(is_known, texts(column).to_pylist()), dtype=bool, count=len(column))


def in_raw(batch: Any, schema: Schema, marks: Marks) -> NDArray[np.bool_] | None:
    """Which rows (n,) of a batch as it was read are theirs; None where no column of it has marks."""
    found = None
    for name in marks.columns:
        column = next((one for one in schema.columns if one.name == name), None)
        if column is None or name not in batch.schema.names:
            continue
        try:
            values = clean(batch.column(name), name, column.kind, schema.formats_of(column)).values
        except Refused:  # told of the whole file by whoever reads it
            continue
        theirs = marked(values, marks, name)
        found = theirs if found is None else found | theirs
    return found


def without(table: pa.Table, marks: Marks | None, called: Mapping[str, str]) -> pa.Table:
    """A table without their rows; columns have other names there, as `called` says."""
    for name in () if marks is None else marks.columns:
        inside = called.get(name, name)
        if marks is not None and inside in table.column_names:
            theirs = marked(table.column(inside), marks, name)
            table = table.filter(pa.array(~theirs)) if theirs.any() else table
    return table


def told_of(reject: Reject, marks: Marks) -> bool:
    """Whether a row that was set aside, or why, holds a word that is someone's id who is forgotten."""
    words = {word for text in (reject.raw, reject.reason) if text for word in TOKENS.split(text) if word}
    listed = pa.array(sorted(words), pa.string())
    return any(marked(listed, marks, name).any() for name in marks.columns) if words else False
