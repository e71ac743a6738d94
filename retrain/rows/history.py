"""The rows of a model's accepted files, file by file: their labels, also those that came later, and small samples.

A file is read once in the life of a process as long as memory allows; nothing here is kept on disk."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retrain.labels.words import SELECTED
from retrain.operations import AcceptedFile
from retrain.records.predictions import Labels
from retrain.records.schema import Schema
from retrain.records.settings import LabelSettings
from retrain.rows.held_out import in_reservoir
from retrain.rows.retype import conform
from retrain.rows.settled import RowLabels, Settling
from retrain.rows.targets import target_values
from retrain.rows.withheld import without_labels

CACHED_FILES, CACHED_BYTES = 256, 1_000_000
SAMPLE_ROWS = 4_000
JUDGED_ROWS = 20_000
"""Of a longer file, so many rows in equal steps are judged."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """Where the rows of file `seq` lie in a batch."""

    seq: int
    digest: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Batch:
    """The rows of an accepted file, or of consecutive ones that are judged together (`seq` is the newest). `table` has
    the schema's columns and __row, in its target the labels that may be believed; `reserved` (n,) says which rows are
    of their file's reservoir; `rows` counts the files' rows, the table may be a part."""

    seq: int
    parts: tuple[Part, ...]
    table: pa.Table
    reserved: Mask
    rows: int

    @cached_property
    def known(self) -> Mask:
        """Which rows have a label that may be believed, shape (n,)."""
        return np.asarray(self.table.column(self._target).is_valid().to_numpy())

    @cached_property
    def key(self) -> str:
        """Of which rows, and of which labels; other labels, another key."""
        digest = hashlib.sha256("|".join(part.digest for part in self.parts).encode())
        digest.update(self.table.column("__row").to_numpy().tobytes())
        for word in self.table.column(self._target).to_pylist():
            digest.update(repr(word).encode())
        return digest.hexdigest()[:24]

    @property
    def rows_key(self) -> tuple[Any, ...]:
        """Of which rows, whatever their labels are."""
        numbers = self.table.column("__row").to_numpy()
        return tuple(part.digest for part in self.parts), len(numbers), hash(numbers.tobytes())

    @property
    def _target(self) -> str:
        return str(self.table.schema.metadata[b"target"].decode())

    def labelled(self) -> "Batch":
        """The rows with a label that may be believed."""
        if self.known.all():
            return self
        before = np.concatenate([[0], np.cumsum(self.known)])
        parts = [replace(p, start=int(before[p.start]), stop=int(before[p.stop])) for p in self.parts]
        return replace(
            self, parts=tuple(parts), table=self.table.filter(pa.array(self.known)), reserved=self.reserved[self.known]
        )

    def labels(self, schema: Schema) -> Labels:
        """Labels (n,) of rows that all have one."""
        return target_values(self.table, schema)


def together(batches: Sequence[Batch]) -> Batch:
    """Consecutive files as one, oldest first."""
    if len(batches) == 1:
        return batches[0]
    parts, start = [], 0
    for batch in batches:
        parts += [replace(part, start=part.start + start, stop=part.stop + start) for part in batch.parts]
        start += batch.table.num_rows
    target = batches[0].table.schema.metadata
    table = pa.concat_tables(
        [batch.table.replace_schema_metadata(None) for batch in batches], promote_options="permissive"
    )
    return Batch(
        batches[-1].seq, tuple(parts), table.replace_schema_metadata(target),
        np.concatenate([batch.reserved for batch in batches]), sum(batch.rows for batch in batches),
    )  # fmt: skip


class History:
    """The accepted files of a model, and of their labels those that may be believed at `now` (see
    `retrain.rows.settled`)."""

    def __init__(
        self,
        files: Sequence[AcceptedFile],
        schema: Schema,
        labels: LabelSettings | None = None,
        now: float | None = None,
        alone: bool = False,
    ) -> None:
        self.schema = schema
        self._files = {file.seq: file for file in files if file.kind == "rows"}
        self.settling = Settling(files, schema, labels or LabelSettings(), now, alone)
        self.seqs = sorted(self._files)
        self.traffic = {seq for seq, file in self._files.items() if file.source == "traffic"}
        self._known: dict[int, int] = {}
        self._batches: dict[int, Batch] = {}

    def past(self, up_to: int | None = None) -> list[int]:
        """The files up to one that may teach: dropped ones, and live traffic with labels; most of it may never get
        any."""
        past = [seq for seq in self.seqs if up_to is None or seq <= up_to]
        return [seq for seq in past if seq not in self.traffic or self.labels_known(seq)]

    def newest_labelled(self, count: int, up_to: int | None = None, representative: bool = False) -> list[int]:
        """The newest files, at most `count`, that have labelled rows; ascending. `representative`: none whose labelled
        rows are others than those without."""
        found: list[int] = []
        for seq in reversed(self.seqs):
            if len(found) == count:
                break
            selected = representative and self._files[seq].trust == SELECTED
            if (up_to is None or seq <= up_to) and not selected and self.labels_known(seq):
                found.append(seq)
        return found[::-1]

    def batch(self, seq: int) -> Batch:
        """The rows of a file, at most JUDGED_ROWS of them."""
        if seq not in self._batches:
            self._batches[seq] = self._batch(seq, *_read(self._files[seq].snapshot, seq, JUDGED_ROWS, 0))
        return self._batches[seq]

    def whole(self, seq: int) -> Batch:
        """All rows of a file."""
        table = read_snapshot(self._files[seq].snapshot)
        return self._batch(seq, table, in_reservoir(table.column("__row").to_numpy(), seq))

    def sample(self, seq: int, seed: int) -> Batch:
        """At most SAMPLE_ROWS rows of a file, drawn at random."""
        return self._batch(seq, *_read(self._files[seq].snapshot, seq, SAMPLE_ROWS, seed + 1))

    def row_labels(self, seq: int) -> tuple[pa.Table, RowLabels]:
        """The rows of a file that are judged, and how their labels stand, believed or not."""
        table, _ = _read(self._files[seq].snapshot, seq, JUDGED_ROWS, 0)
        table = conform(table, self.schema)
        return table, self.settling.labels(table, self._files[seq])

    def file(self, seq: int) -> AcceptedFile:
        """An accepted file of rows."""
        return self._files[seq]

    def rows(self, seq: int) -> int:
        """All rows of a file."""
        return self._files[seq].rows

    def labels_known(self, seq: int) -> int:
        """How many of the rows that are judged have a label that may be believed."""
        silent = self.settling.settings.negative is None
        if seq in self.traffic and not self.settling.late and silent:
            return 0
        if seq not in self._known:
            self._known[seq] = int(self.batch(seq).known.sum())
        return self._known[seq]

    def _batch(self, seq: int, table: pa.Table, reserved: Mask) -> Batch:
        """With the labels that may be believed in place of the rows' own."""
        target, file = self.schema.target, self._files[seq]
        table = believed_labels(conform(table, self.schema), file, self.settling, self.schema)[0]
        part = Part(seq, file.digest, 0, table.num_rows)
        return Batch(seq, (part,), table.replace_schema_metadata({"target": target}), reserved, file.rows)


def believed_labels(
    table: pa.Table, file: AcceptedFile, settling: Settling, schema: Schema
) -> tuple[pa.Table, RowLabels, int]:
    """A file's rows with the labels that may be believed; how their labels stand; and how many are of classes that do
    not count."""
    found, target = settling.labels(table, file), schema.target
    column = found.believed if not pa.types.is_null(found.believed.type) else pa.nulls(table.num_rows, pa.string())
    if target in table.column_names:
        table = table.set_column(table.column_names.index(target), target, column)
    else:
        table = table.append_column(target, column)
    table, withheld = without_labels(table, target, file.withheld)
    return table, found, withheld


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
