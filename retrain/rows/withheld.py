"""Labels of classes that do not count are taken for missing: see `retrain.records.new_classes`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from retrain.rows.targets import class_column


def without_labels(table: pa.Table, target: str, classes: Sequence[str]) -> tuple[pa.Table, int]:
    """The table with labels of these classes missing, and how many they were."""
    if not classes or target not in table.column_names:
        return table, 0
    labels, found = without_classes(table.column(target), classes)
    if not (count := int(np.count_nonzero(found))):
        return table, 0
    return table.set_column(table.column_names.index(target), target, labels), count


def without_classes(labels: Any, classes: Sequence[str]) -> tuple[Any, NDArray[np.bool_]]:
    """A column of n labels with these classes missing, and which they were (n,)."""
    if not classes:
        return labels, np.zeros(len(labels), dtype=bool)
    found = pc.is_in(class_column(labels), value_set=pa.array(list(classes), pa.string()))
    return pc.if_else(found, pa.scalar(None, labels.type), labels), np.asarray(found.to_numpy())
