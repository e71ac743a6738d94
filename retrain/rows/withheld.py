"""Labels of classes that do not count are taken for missing: see `retrain.records.new_classes`."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def without_labels(table: pa.Table, target: str, classes: Sequence[str]) -> tuple[pa.Table, int]:
    """The table with labels of these classes missing, and how many they were."""
    if not classes or target not in table.column_names:
        return table, 0
    labels, count = without_classes(table.column(target), classes)
    return (table.set_column(table.column_names.index(target), target, labels), count) if count else (table, 0)


def without_classes(labels: Any, classes: Sequence[str]) -> tuple[Any, int]:
    """A column of labels with these classes missing, and how many they were."""
    if not classes:
        return labels, 0
    found = pc.is_in(pc.cast(labels, pa.string()), value_set=pa.array(list(classes), pa.string()))
    count = pc.sum(found).as_py() or 0
    return (pc.if_else(found, pa.scalar(None, labels.type), labels), count) if count else (labels, 0)
