"""Labels that came later than their rows, in files of their own: they belong to rows by id."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retrain.operations import AcceptedFile
from retrain.records.schema import Schema
from retrain.records.settings import ColumnKind
from retrain.rows.retype import as_kind

Files = tuple[tuple[int, Path], ...]
"""Of labels: their seqs and snapshots."""
Columns = tuple[tuple[str, ColumnKind], tuple[str, ColumnKind]]
"""Of ids and labels, with their kinds."""
Changes = tuple[tuple[int, Any], ...]
"""The labels that an id had, each with the seq of the file that brought it, in order of arrival."""


@dataclass(frozen=True, eq=False)
class LateLabels:
    """By id the newest label and the seq of the file that brought the first one; `changes` of ids that had several."""

    newest: Mapping[Any, Any] = field(default_factory=dict)
    first: Mapping[Any, int] = field(default_factory=dict)
    changes: Mapping[Any, Changes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.newest)

    def first_label(self, name: Any) -> Any:
        """The first label that an id was given in a file of labels; None for none."""
        known = self.changes.get(name)
        return known[0][1] if known is not None else self.newest.get(name)

    def before(self, name: Any, seq: int) -> Any:
        """The label that an id had once the files up to `seq` were in; None for none."""
        known = self.changes.get(name)
        if known is None:
            return self.newest.get(name) if self.first.get(name, seq + 1) <= seq else None
        return next((label for at, label in reversed(known) if at <= seq), None)


NONE = LateLabels()


def late_labels(files: Sequence[AcceptedFile], schema: Schema) -> LateLabels:
    """Of all files of labels; none without an id column."""
    if schema.id_column is None:
        return NONE
    key, target = ((name, schema.column(name).kind) for name in (schema.id_column, schema.target))
    return _JOINED.of(tuple((file.seq, file.snapshot) for file in files if file.kind == "labels"), (key, target))


def newest_labels(table: pa.Table, late: LateLabels, schema: Schema) -> tuple[Any, NDArray[np.int64], int]:
    """The newest label of each of a file's n rows as an Arrow column; the seq of the file of labels that brought the
    first one (n,), −1 where the label is the row's own, or missing; and how many rows got one that came later."""
    own = table.column(schema.target) if schema.target in table.column_names else pa.nulls(table.num_rows)
    none = np.full(table.num_rows, -1, dtype=np.int64)
    key = schema.id_column
    if not late or key not in table.column_names:
        return own, none, 0
    ids, present = table.column(key).to_pylist(), np.asarray(own.is_valid())
    first = np.fromiter((late.first.get(name, -1) for name in ids), np.int64, len(ids))
    changed = first >= 0
    if not changed.any():
        return own, none, 0
    labels = own.to_pylist()
    for place in np.flatnonzero(changed).tolist():
        labels[place] = late.newest[ids[place]]
    column = pa.chunked_array([pa.array(labels, None if pa.types.is_null(own.type) else own.type)])
    return column, np.where(present, -1, first), int(changed.sum())


class _Joined:
    """The labels of many files, joined once: further files are added to them, and those before are not read again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[Files, Columns], LateLabels] = OrderedDict()

    def of(self, files: Files, columns: Columns) -> LateLabels:
        """Of these files, in order of arrival."""
        known = max(
            (one for one in self._kept if _begins(one, files, columns)), key=lambda one: len(one[0]), default=None
        )
        before, count = (NONE, 0) if known is None else (self._kept.pop(known), len(known[0]))
        found = self._kept[files, columns] = before if count == len(files) else _with(before, files[count:], columns)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)
        return found


def _begins(known: tuple[Files, Columns], files: Files, columns: Columns) -> bool:
    return known[1] == columns and files[: len(known[0])] == known[0]


def _with(before: LateLabels, files: Files, columns: Columns) -> LateLabels:
    newest, first, changes = dict(before.newest), dict(before.first), dict(before.changes)
    for seq, snapshot in files:
        for name, label in labels_by_id(snapshot, *columns).items():
            if name in newest:
                changes[name] = (*changes.get(name, ((first[name], newest[name]),)), (seq, label))
            newest[name] = label
            first.setdefault(name, seq)
    return LateLabels(newest, first, changes)


_JOINED = _Joined(limit=8)


def labels_by_id(snapshot: Path, key: tuple[str, ColumnKind], target: tuple[str, ColumnKind]) -> dict[Any, Any]:
    """A file's labels by id, both of the kinds that the schema has now. One without an id is nobody's; an empty cell is
    no label: what is known stays."""
    table = pq.read_table(snapshot, pre_buffer=False)
    names, labels = (as_kind(table.column(name), kind).to_pylist() for name, kind in (key, target))
    pairs = zip(names, labels, strict=True)
    return {name: label for name, label in pairs if name is not None and label is not None}
