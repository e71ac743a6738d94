"""The rows of a model's accepted files, file by file: their labels, also those that came later, and small samples.

A file is read once in the life of a process as long as memory allows; nothing here is kept on disk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retrain.operations import AcceptedFile
from retrain.records.predictions import Labels
from retrain.records.schema import Schema
from retrain.rows.held_out import in_reservoir
from retrain.rows.late_labels import late_labels, with_late_labels
from retrain.rows.retype import conform
from retrain.rows.targets import target_values
from retrain.rows.withheld import without_labels

CACHED_FILES, CACHED_BYTES = 256, 1_000_000
SAMPLE_ROWS = 4_000
LOOKED_AT = 60
JUDGED_ROWS = 20_000
"""Of a longer file, so many rows in equal steps are judged."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Batch:
    """The rows of one accepted file. `table` has the schema's columns and __row, its target with late labels in;
    `reserved` (n,) says which rows are of the file's reservoir; `rows` counts the file's rows, the table may be a
    part."""

    seq: int
    digest: str
    table: pa.Table
    reserved: Mask
    rows: int

    @cached_property
    def known(self) -> Mask:
        """Which rows have a label, shape (n,)."""
        return np.asarray(self.table.column(self._target).is_valid().to_numpy())

    @property
    def _target(self) -> str:
        return str(self.table.schema.metadata[b"target"].decode())

    def labelled(self) -> "Batch":
        """The rows with a label."""
        chosen = pa.array(self.known)
        return replace(self, table=self.table.filter(chosen), reserved=self.reserved[self.known])

    def labels(self, schema: Schema) -> Labels:
        """Labels (n,) of rows that all have one."""
        return target_values(self.table, schema)


class History:
    """The accepted files of a model."""

    def __init__(self, files: Sequence[AcceptedFile], schema: Schema) -> None:
        self.schema = schema
        self._files = {file.seq: file for file in files if file.kind == "rows"}
        self._labels = [file for file in files if file.kind == "labels"]
        self.seqs = sorted(self._files)
        self.traffic = {seq for seq, file in self._files.items() if file.source == "traffic"}
        self._known: dict[int, int] = {}

    @cached_property
    def _late(self) -> dict[Any, Any]:
        return late_labels(self._labels, self.schema)

    def past(self, up_to: int | None = None) -> list[int]:
        """The files up to one that may teach: dropped ones, and of the newest 60 of live traffic those with labels.
        Most live traffic may never get any."""
        past = [seq for seq in self.seqs if up_to is None or seq <= up_to]
        live = [seq for seq in past if seq in self.traffic][-LOOKED_AT:]
        labelled = {seq for seq in live if self.labels_known(seq)}
        return [seq for seq in past if seq not in self.traffic or seq in labelled]

    def newest_labelled(self, count: int, up_to: int | None = None) -> list[int]:
        """The newest files, at most `count`, that have labelled rows; ascending. Looks back over 60 files."""
        known = self.past(up_to)[-LOOKED_AT:]
        found: list[int] = []
        for seq in reversed(known):
            if len(found) < count and self.labels_known(seq):
                found.append(seq)
        return found[::-1]

    def batch(self, seq: int) -> Batch:
        """The rows of a file, at most JUDGED_ROWS of them."""
        return self._batch(seq, *_read(self._files[seq].snapshot, seq, JUDGED_ROWS, 0))

    def whole(self, seq: int) -> Batch:
        """All rows of a file."""
        table = read_snapshot(self._files[seq].snapshot)
        return self._batch(seq, table, in_reservoir(table.column("__row").to_numpy(), seq))

    def sample(self, seq: int, seed: int) -> Batch:
        """At most SAMPLE_ROWS rows of a file, drawn at random."""
        return self._batch(seq, *_read(self._files[seq].snapshot, seq, SAMPLE_ROWS, seed + 1))

    def rows(self, seq: int) -> int:
        """All rows of a file."""
        return self._files[seq].rows

    def labels_known(self, seq: int) -> int:
        """How many of the rows that are judged have a label."""
        if seq in self.traffic and not self._late:
            return 0
        if seq not in self._known:
            self._known[seq] = int(self.batch(seq).known.sum())
        return self._known[seq]

    def _batch(self, seq: int, table: pa.Table, reserved: Mask) -> Batch:
        """With the labels that came later in place of the rows' own."""
        target, file = self.schema.target, self._files[seq]
        table, _ = with_late_labels(conform(table, self.schema), self._late, self.schema)
        table, _ = without_labels(table, target, file.withheld)
        if target not in table.column_names:
            table = table.append_column(target, pa.nulls(table.num_rows, pa.string()))
        return Batch(seq, file.digest, table.replace_schema_metadata({"target": target}), reserved, file.rows)


def read_snapshot(snapshot: Path) -> pa.Table:
    """A whole snapshot; a short one is kept in memory, since a snapshot never changes."""
    seen = snapshot.stat()
    if seen.st_size > CACHED_BYTES:
        return pq.read_table(snapshot, pre_buffer=False)
    return _short(snapshot, seen.st_mtime_ns)


@lru_cache(maxsize=CACHED_FILES)
def _short(snapshot: Path, _mtime_ns: int) -> pa.Table:
    return pq.read_table(snapshot, pre_buffer=False).combine_chunks()


@lru_cache(maxsize=CACHED_FILES)
def _read(snapshot: Path, seq: int, most: int, seed: int) -> tuple[pa.Table, Mask]:
    """At most `most` rows of a snapshot in their order (a snapshot never changes): in equal steps, or where a seed is
    given at random; and which of them are of the reservoir."""
    table = read_snapshot(snapshot)
    reserved = in_reservoir(table.column("__row").to_numpy(), seq)
    if table.num_rows <= most:
        return table, reserved
    if seed:
        places = np.sort(np.random.default_rng([seed, seq]).choice(table.num_rows, most, replace=False))
    else:
        places = np.unique(np.linspace(0, table.num_rows - 1, most).astype(np.int64))
    return table.take(pa.array(places)).combine_chunks(), reserved[places]
