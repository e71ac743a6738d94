"""Ids for the rows of a replay whose labels come late: labels find their rows by id, as in the service."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from daemon.tools.replay.label_times import LabelTimes
from retrain.records.errors import WrongUse
from retrain.records.schema import Column, Schema

NUMBERED = "row_id"
TIMES = ("datetime", "number", "integer")


def require_times(times: LabelTimes, schema: Schema) -> None:
    """WrongUse where labels come at a time, and columns do not say when."""
    if times.by_time and schema.time_column is None:
        raise WrongUse("labels that come at a time need the rows' own times: name their column with --time COLUMN")
    if times.column and schema.column(times.column).kind not in TIMES:
        kind = schema.column(times.column).kind
        raise WrongUse(f"--label-time {times.column!r} has no times but is read as {kind}; expected dates or seconds")


def identified(pieces: Sequence[pa.Table], schema: Schema) -> tuple[list[pa.Table], Schema, tuple[str, ...]]:
    """The rows of all batches with an id each, their schema, and notes: the id column, where it tells all rows apart,
    else their numbers in a column that is made."""
    name = schema.id_column
    if name is not None and _tells_apart(pieces, name):
        return list(pieces), schema, ()
    taken = {column.name for column in schema.columns}
    made = next(free for free in (NUMBERED + "_" * count for count in range(len(taken) + 1)) if free not in taken)
    edges = np.cumsum([0, *(piece.num_rows for piece in pieces)])
    numbered = [
        piece.append_column(made, pa.array(np.arange(start, start + piece.num_rows)))
        for piece, start in zip(pieces, edges.tolist(), strict=False)
    ]
    columns = (*schema.columns, Column(made, "integer", feature=False))
    notes = () if name is None else (f"{name!r} does not tell all rows apart: labels find their rows by their number",)
    return numbered, replace(schema, columns=columns, id_column=made), notes


def _tells_apart(pieces: Sequence[pa.Table], name: str) -> bool:
    ids = pa.chunked_array([chunk for piece in pieces for chunk in piece.column(name).chunks])
    return ids.null_count == 0 and len(ids.unique()) == len(ids)
