"""Labels that came later than their rows, in files of their own: they belong to rows by id."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from retrain.operations import AcceptedFile
from retrain.records.schema import Schema
from retrain.records.settings import ColumnKind
from retrain.rows.retype import as_kind

CACHED_FILES = 256


def late_labels(files: Iterable[AcceptedFile], schema: Schema) -> dict[Any, Any]:
    """Labels by id, the newest of each; none without an id column."""
    newest: dict[Any, Any] = {}
    for file in files:
        if file.kind == "labels" and schema.id_column is not None:
            columns = tuple((name, schema.column(name).kind) for name in (schema.id_column, schema.target))
            newest.update(_labels(file.snapshot, *columns))
    return newest


def with_late_labels(table: pa.Table, late: Mapping[Any, Any], schema: Schema) -> tuple[pa.Table, int]:
    """A file's rows with the labels that came later in place of their own; and how many rows got one."""
    key, target = schema.id_column, schema.target
    ids = table.column(key).to_pylist() if late and key in table.column_names else []
    changed = sum(name in late for name in ids)
    if not changed:
        return table, 0
    own = table.column(target) if target in table.column_names else pa.nulls(table.num_rows)
    joined = pa.array(
        [late.get(name, label) for name, label in zip(ids, own.to_pylist(), strict=True)],
        None if pa.types.is_null(own.type) else own.type,
    )
    if target not in table.column_names:
        return table.append_column(target, joined), changed
    return table.set_column(table.column_names.index(target), target, joined), changed


@lru_cache(maxsize=CACHED_FILES)
def _labels(snapshot: Path, key: tuple[str, ColumnKind], target: tuple[str, ColumnKind]) -> dict[Any, Any]:
    """A file's labels by id, both of the kinds that the schema has now."""
    table = pq.read_table(snapshot, pre_buffer=False)
    names, labels = (as_kind(table.column(name), kind).to_pylist() for name, kind in (key, target))
    return dict(zip(names, labels, strict=True))
