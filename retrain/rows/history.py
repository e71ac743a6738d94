"""The rows of a model's accepted files, file by file: their labels, also those that came later, and small samples.

A file is read once in the life of a process as long as memory allows; nothing here is kept on disk."""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retrain.labels.words import SELECTED
from retrain.operations import AcceptedFile
from retrain.records.predictions import Floats, Labels
from retrain.records.schema import Schema
from retrain.records.settings import LabelSettings
from retrain.rows.answered import AnsweredRows, row_weights
from retrain.rows.batches import newest_of
from retrain.rows.held_out import in_reservoir
from retrain.rows.long_files import chosen_places, read_long
from retrain.rows.pools import ALL_ROWS, POOL_ROWS, pools_of
from retrain.rows.retype import conform
from retrain.rows.settled import RowLabels, Settling
from retrain.rows.targets import class_column, class_names, target_values
from retrain.rows.withheld import without_labels

CACHED_BYTES, CACHED_FILE_BYTES = 300_000_000, 1_000_000
"""What short snapshots may take in memory together, and which file is short (bytes on disk)."""
SAMPLE_ROWS = 4_000
JUDGED_ROWS = 20_000
"""Of a longer file, so many rows in equal steps are judged."""
POOLS_KEPT = 6
"""Pools whose rows are kept as long as the history is: the newest ones are asked for again and again."""
LONG_FILE_BYTES = 50_000_000
"""Of longer files (bytes on disk) a piece is read at a time."""
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

    @property
    def weights(self) -> Floats | None:
        """How much each labelled row counts, (n,), where labels depend on the answer (see `retrain.labels.propensity`);
        None: all alike."""
        return row_weights(self.table)

    @cached_property
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
        if schema.task == "regression":
            return target_values(self.table, schema)
        return self._words

    @cached_property
    def _words(self) -> Labels:
        words: Labels = class_names(self.table.column(self._target))
        return words if self.table.column(self._target).null_count else words.astype(np.str_)


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
        self._known: dict[int, _Believed] = {}
        self._states: dict[int, Hashable | None] = {}
        self._shape = hash(schema)
        self._judged = Kept(POOLS_KEPT)
        self._answered = AnsweredRows(files, self.settling, schema, lambda file, names: judged_rows(file, names)[0])

    def past(self, up_to: int | None = None) -> list[int]:
        """The files up to one that have labelled rows, in order of arrival."""
        return [seq for pool in self.pools(up_to) for seq in pool]

    def pools(self, up_to: int | None = None) -> list[list[int]]:
        """The files up to one that have labelled rows, the small ones together (see `retrain.rows.pools`)."""
        if up_to is None:
            return self._pools
        cut = ([seq for seq in pool if seq <= up_to] for pool in self._pools)
        return [pool for pool in cut if pool]

    def pools_after(self, seq: int) -> list[list[int]]:
        """The files after one that have labelled rows, the small ones together, as far as no more will be judged with
        them."""
        found = [pool for pool in self._pools if pool[0] > seq]
        return [pool for pool in found if pool is not self._pools[-1] or self._is_full(pool)]

    def _is_full(self, pool: Sequence[int]) -> bool:
        teaching, rows = sum(map(self.labels_known, pool)), sum(map(self.rows, pool))
        return teaching >= POOL_ROWS and (len(pool) == 1 or rows >= ALL_ROWS)

    @cached_property
    def _pools(self) -> list[list[int]]:
        return pools_of((seq, self.labels_known(seq), self.rows(seq)) for seq in self.seqs)

    def newest_pools(self, count: int, up_to: int | None = None, representative: bool = False) -> list[Batch]:
        """The labelled rows of the newest pools, oldest first: `count` of them, or fewer long ones (see
        `retrain.rows.batches`). `representative`: of none whose labelled rows are others than those without a label."""
        pools = self.pools(up_to)
        if representative:
            pools = [pool for pool in pools if all(self._files[seq].trust != SELECTED for seq in pool)]
        return [self.pool(pool) for pool in self.newest(pools, count)]

    def newest(self, pools: Sequence[list[int]], batches: int) -> list[list[int]]:
        """Of pools, oldest first, the newest that make so many batches."""
        lengths = [sum(map(self.rows, pool)) for pool in pools]
        return list(pools[len(pools) - newest_of(lengths, batches) :])

    def pool(self, seqs: Sequence[int]) -> Batch:
        """The labelled rows of several files as one."""
        found: Batch = self._judged.get(tuple(seqs), lambda: together([self.batch(seq).labelled() for seq in seqs]))
        return found

    def batch(self, seq: int) -> Batch:
        """The rows of a file, at most JUDGED_ROWS of them."""
        return self._batch(seq, *judged_rows(self._files[seq]))

    def whole(self, seq: int) -> Batch:
        """All rows of a file."""
        table = read_snapshot(self._files[seq].snapshot)
        return self._batch(seq, table, in_reservoir(table.column("__row").to_numpy(), self._files[seq].place))

    def sample(self, seq: int, seed: int) -> Batch:
        """At most SAMPLE_ROWS rows of a file, drawn at random."""
        return self._batch(seq, *_read(self._files[seq], SAMPLE_ROWS, seed + 1))

    def row_labels(self, seq: int) -> tuple[pa.Table, RowLabels]:
        """The rows of a file that are judged, and how their labels stand, believed or not."""
        file, state = self._files[seq], self.state(seq)

        def found() -> tuple[pa.Table, RowLabels]:
            table = conform(judged_rows(file)[0], self.schema)
            return table, self.settling.labels(table, file)

        if state is None or file.rows > JUDGED_ROWS:
            return found()
        made: tuple[pa.Table, RowLabels] = _ROW_LABELS.get((file.snapshot, self._shape, state), found)
        return made

    def rows_alone(self, seq: int) -> Batch:
        """The rows of a file that are judged, whatever their labels are: for who predicts them."""
        table, reserved = judged_rows(self._files[seq])
        table = conform(table, self.schema).replace_schema_metadata({"target": self.schema.target})
        part = Part(seq, self._files[seq].digest, 0, table.num_rows)
        return Batch(seq, (part,), table, reserved, self._files[seq].rows)

    def state(self, seq: int) -> Hashable | None:
        """What the labels of a file's rows follow from: see `Settling.state`."""
        if seq not in self._states:
            self._states[seq] = self.settling.state(self._files[seq])
        return self._states[seq]

    def file(self, seq: int) -> AcceptedFile:
        """An accepted file of rows."""
        return self._files[seq]

    def place_of(self, up_to: int) -> int:
        """The number among the files of rows of the newest one up to a file."""
        return max((self._files[seq].place for seq in self.seqs if seq <= up_to), default=0)

    def rows(self, seq: int) -> int:
        """All rows of a file."""
        return self._files[seq].rows

    def labels_known(self, seq: int) -> int:
        """How many of the rows that are judged have a label that may be believed."""
        silent = self.settling.settings.negative is None
        if seq in self.traffic and not self.settling.late and silent:
            return 0
        return self._labels_of(seq).count

    def class_rows(self) -> dict[str, int]:
        """Of the labels of all files that may be believed, how many are of each class; as far as rows are judged."""
        total = Counter[str]()
        for seq in self.past():
            total.update(dict(self._labels_of(seq).classes))
        return dict(total)

    def labels_key(self, seqs: Sequence[int]) -> str:
        """What tells the believed labels of these files from others, and from those of other files."""
        parts = []
        for seq in seqs:
            file = self._files[seq]
            parts.append(f"{file.digest} {self._labels_of(seq).key} {self._answered.rates(file) or ''}")
        return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]

    def _labels_of(self, seq: int) -> "_Believed":
        """The labels of a file's judged rows that may be believed; of the columns alone that labels need."""
        if seq in self._known:
            return self._known[seq]
        file, state = self._files[seq], self.state(seq)
        if state is None:
            self._known[seq] = self._count_labels(file)
        else:
            self._known[seq] = _KNOWN.get((file.snapshot, self._shape, state), lambda: self._count_labels(file))
        return self._known[seq]

    def _count_labels(self, file: AcceptedFile) -> "_Believed":
        schema = self.schema
        needed = tuple(name for name in (schema.id_column, schema.time_column, schema.target) if name is not None)
        table = conform(judged_rows(file, needed)[0], schema)
        labels = believed_labels(table, file, self.settling, schema)[0].column(schema.target)
        return _believed(labels, schema)

    def _batch(self, seq: int, table: pa.Table, reserved: Mask) -> Batch:
        """With the labels that may be believed in place of the rows' own."""
        target, file = self.schema.target, self._files[seq]
        known = self.row_labels(seq)[1] if table.num_rows == file.rows <= JUDGED_ROWS else None
        table = believed_labels(conform(table, self.schema), file, self.settling, self.schema, known)[0]
        table = self._answered.weighted(table, file, np.asarray(table.column(target).is_valid()))
        part = Part(seq, file.digest, 0, table.num_rows)
        return Batch(seq, (part,), table.replace_schema_metadata({"target": target}), reserved, file.rows)


def believed_labels(
    table: pa.Table, file: AcceptedFile, settling: Settling, schema: Schema, known: RowLabels | None = None
) -> tuple[pa.Table, RowLabels, int]:
    """A file's rows with the labels that may be believed; how their labels stand, unless that is `known`; and how many
    are of classes that do not count."""
    found, target = settling.labels(table, file) if known is None else known, schema.target
    column = found.believed if not pa.types.is_null(found.believed.type) else pa.nulls(table.num_rows, pa.string())
    if target in table.column_names:
        table = table.set_column(table.column_names.index(target), target, column)
    else:
        table = table.append_column(target, column)
    table, withheld = without_labels(table, target, file.withheld)
    return table, found, withheld


def read_snapshot(snapshot: Path, columns: tuple[str, ...] | None = None) -> pa.Table:
    """A snapshot, whole or __row and those of these columns that it has; a short one is kept in memory, since a
    snapshot never changes."""
    seen = snapshot.stat()
    if seen.st_size > CACHED_FILE_BYTES:
        return _from_disk(snapshot, columns)
    key = snapshot, seen.st_mtime_ns, columns
    table: pa.Table = _SHORT.get(key, lambda: _from_disk(snapshot, columns).combine_chunks())
    return table


def _from_disk(snapshot: Path, columns: tuple[str, ...] | None) -> pa.Table:
    if columns is None:
        return pq.read_table(snapshot, pre_buffer=False)
    present = set(pq.read_schema(snapshot).names)
    return pq.read_table(snapshot, columns=[c for c in (*columns, "__row") if c in present], pre_buffer=False)


def judged_rows(file: AcceptedFile, columns: tuple[str, ...] | None = None) -> tuple[pa.Table, Mask]:
    return _read(file, JUDGED_ROWS, 0, columns)


def _read(file: AcceptedFile, most: int, seed: int, columns: tuple[str, ...] | None = None) -> tuple[pa.Table, Mask]:
    """At most `most` rows of a snapshot in their order (a snapshot never changes): in equal steps, or where a seed is
    given at random; and which of them are of the reservoir."""
    if file.rows > most and file.snapshot.stat().st_size > LONG_FILE_BYTES:
        return read_long(file, most, seed, columns)
    table = read_snapshot(file.snapshot, columns)
    reserved = in_reservoir(table.column("__row").to_numpy(), file.place)
    if table.num_rows <= most:
        return table, reserved
    places = chosen_places(table.num_rows, most, seed, file)
    return table.take(pa.array(places)).combine_chunks(), reserved[places]


@dataclass(frozen=True)
class _Believed:
    """How many labels there are, by class (of classes only), and what tells them from others."""

    count: int
    key: str
    classes: tuple[tuple[str, int], ...] = ()


def _believed(labels: Any, schema: Schema) -> _Believed:
    """Of an Arrow column of labels."""
    classes: tuple[tuple[str, int], ...] = ()
    if schema.task == "classification":
        counts = pc.value_counts(class_column(labels).drop_null()).to_pylist()
        classes = tuple((entry["values"], entry["counts"]) for entry in counts)
    key = hashlib.sha256(repr(labels.to_pylist()).encode()).hexdigest()
    return _Believed(int(len(labels) - labels.null_count), key, classes)


class Kept:
    """Values by key, the least recently asked for forgotten first, within a size in all."""

    def __init__(self, most: int, size: Callable[[Any], int] = lambda _value: 1) -> None:
        self._most, self._size, self._used = most, size, 0
        self._kept: OrderedDict[Any, Any] = OrderedDict()

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """The value of this key, or what `make` gives now."""
        if key not in self._kept:
            self._kept[key] = make()
            self._used += self._size(self._kept[key])
            while self._used > self._most and len(self._kept) > 1:
                self._used -= self._size(self._kept.popitem(last=False)[1])
        self._kept.move_to_end(key)
        return self._kept[key]


_SHORT = Kept(CACHED_BYTES, lambda table: int(table.nbytes))
_KNOWN, _ROW_LABELS = Kept(100_000), Kept(160)
