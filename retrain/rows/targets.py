"""The target of a snapshot's rows, as an array."""

from typing import Any

import numpy as np
import pyarrow as pa

from retrain.records.predictions import Labels
from retrain.records.schema import Schema


def target_values(table: pa.Table, schema: Schema) -> Labels:
    """The target (n,) of a snapshot's table: class names (None missing) or float64 (NaN missing)."""
    column = table.column(schema.target)
    if schema.task == "regression":
        return np.array(column.cast("float64").to_numpy(), dtype=np.float64)
    return class_names(column)


def class_names(column: "pa.ChunkedArray") -> Labels:
    """The classes (n,) of a target's cells, None missing: as text, so that a boolean is "true" or "false".

    >>> class_names(pa.chunked_array([[True, None]])).tolist()
    ['true', None]
    """
    labels: Labels = class_column(column).to_numpy()
    return labels


def class_column(column: Any) -> Any:
    """The same as an Arrow column of text: what names classes anywhere names them by this."""
    return column.cast(pa.string())
