"""The target of a snapshot's rows, as an array."""

import numpy as np
import pyarrow as pa

from retrain.records.predictions import Labels
from retrain.records.schema import Schema


def target_values(table: pa.Table, schema: Schema) -> Labels:
    """The target (n,) of a snapshot's table: class names (None missing) or float64 (NaN missing)."""
    column = table.column(schema.target)
    if schema.task == "regression":
        return np.array(column.cast("float64").to_numpy(), dtype=np.float64)
    text = column.cast(pa.string())
    labels: Labels = text.to_numpy()
    return labels
