"""Which labels may be believed: the one place that everybody asks who trains, judges or decides by labels.

With a configured maturity a row's label is believed once the row is that old, by its own event time or by the files
that came after its own; then silence may mean a class. Without one the file's `trust` says it, which the assessment
found from how labels arrive (see `retrain.labels.trust`). The clock is that of the data: the newest event time, moved
on by the wall clock since the newest file came."""

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from retrain.labels.words import WAITING
from retrain.operations import AcceptedFile
from retrain.records.schema import Schema
from retrain.records.settings import LabelSettings
from retrain.rows.event_times import event_times
from retrain.rows.late_labels import LateLabels, late_labels, newest_labels
from retrain.rows.touched import LabelFiles, first_files, hash_of_each, hashes_of

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RowLabels:
    """Labels of n rows as they stand now: an Arrow column with those that may be believed, whether a row has any label
    (n,), and after how many files of rows its first one came (n,), −1 without one; `first` is the seq of the file
    that brought it (n,), −1 where it came with its row; `changed` is after how many files a label was last given
    another value (n,), −1 for never; `late` counts those that came later than their rows."""

    believed: "pa.ChunkedArray"
    labelled: Mask
    lags: NDArray[np.int64]
    first: NDArray[np.int64]
    changed: NDArray[np.int64]
    late: int


class Settling:
    """The labels of a model's files as they stand at `now` (Unix seconds; None: when the newest file came). `alone`
    says that there is no model yet: labels that came with their rows are believed."""

    def __init__(
        self,
        files: Sequence[AcceptedFile],
        schema: Schema,
        settings: LabelSettings,
        now: float | None = None,
        alone: bool = False,
    ) -> None:
        self.settings, self.alone, self._schema = settings, alone, schema
        rows = sorted((file for file in files if file.kind == "rows"), key=lambda file: file.seq)
        self._seqs = [file.seq for file in rows]
        self._accepted = [file.accepted_at for file in rows]
        own = (file.last_time if file.last_time is not None else file.accepted_at for file in rows)
        self._newest_times = list(accumulate(own, max))
        self._of_labels = {file.seq: file.accepted_at for file in files if file.kind == "labels"}
        told = sum(file.rows for file in files if file.kind == "labels")
        own_labels = [file for file in rows if file.own_labels]
        most_own = sum(file.own_labels for file in own_labels) > told
        newest_own = own_labels[-1].seq if own_labels else 0
        self._newest_arrival = max(max(self._of_labels, default=newest_own), newest_own if most_own else 0)
        late, key = [(file.seq, file.snapshot) for file in files if file.kind == "labels"], schema.id_column
        self._label_files = None if key is None or not late else LabelFiles(late, (key, schema.column(key).kind))
        self._late = late_labels(files, schema)
        self._rows = [(file.seq, file.snapshot) for file in rows]
        self.now = self.clock(max((file.seq for file in files), default=0), now)

    @property
    def late(self) -> LateLabels:
        """The labels that came in files of their own."""
        return self._late

    @property
    def waits(self) -> bool:
        """Whether labels may come later than their rows, or are believed later."""
        return bool(self._late) or self.settings.maturity is not None

    def state(self, file: AcceptedFile) -> Hashable | None:
        """What the labels of a file's rows follow from besides the rows: the same, the same labels. None where the time
        changes them row by row."""
        settings = self.settings
        touched = () if self._label_files is None else self._label_files.touching(file.snapshot)
        lag = self.files_between(file.seq, touched[-1]) if touched else 0
        first = bool(touched) and file.source == "traffic" and self._rows[0][0]
        known = (file.seq, touched, lag, first, self.alone, file.withheld, settings.corrections, settings.negative)
        if settings.maturity is None:
            return (*known, file.trust == WAITING)
        ages = [self._age(file, until) for until in (None, self._newest_arrival)]
        return None if None in ages else (*known, str(settings.maturity), *ages)

    def _age(self, file: AcceptedFile, until: int | None) -> bool | None:
        """Whether all rows of a file had reached maturity when another one came (True), or none (False)."""
        maturity = self.settings.maturity
        assert maturity is not None
        if maturity.files is not None:
            return self._has_files_after(file.seq, maturity.files, until)
        at, seconds = self.now if until is None else self.clock(until), maturity.seconds or 0.0
        first = file.accepted_at if file.first_time is None else file.first_time
        last = file.accepted_at if file.last_time is None else file.last_time
        if max(last, file.accepted_at) + seconds <= at:
            return True
        return False if min(first, file.accepted_at) + seconds > at else None

    def files_between(self, seq: int, until: int | None = None) -> int:
        """How many files of rows came after one, up to another."""
        end = len(self._seqs) if until is None else bisect_right(self._seqs, until)
        return end - bisect_right(self._seqs, seq)

    def clock(self, seq: int, wall: float | None = None) -> float:
        """The clock of the data when file `seq` came (Unix seconds), or at `wall` after it."""
        place = bisect_right(self._seqs, seq) - 1
        if place < 0:
            return wall or 0.0
        at = wall if wall is not None else self._of_labels.get(seq, self._accepted[place])
        return float(self._newest_times[place] + max(0.0, at - self._accepted[place]))

    def clocks(self, file: AcceptedFile) -> tuple[float, ...]:
        """The clock of the data when a file of rows and each file with labels of them came."""
        touched = () if self._label_files is None else self._label_files.touching(file.snapshot)
        return tuple(self.clock(seq) for seq in (file.seq, *touched))

    def labels(self, table: pa.Table, file: AcceptedFile) -> RowLabels:
        """The labels of a file's rows, of a table with the schema's columns and __row."""
        column, first, late = self._told(table, file)
        labelled = np.asarray(column.is_valid())
        lags = np.where(labelled, self._lags(first, file), -1)
        believed = self._believed(column, labelled, labelled & (first < 0), table, file)
        if self._late and file.source == "traffic":
            believed = _only(believed, ~self._asked_again(table, file))
        changed = self._changed(table, file) if late else np.full(table.num_rows, -1, dtype=np.int64)
        return RowLabels(believed, labelled, lags, first, changed, late)

    def told(self, table: pa.Table, file: AcceptedFile) -> "pa.ChunkedArray":
        """The newest label of each of a file's n rows, whether it may be believed or not; changes that came too late do
        not count."""
        return self._told(table, file)[0]

    def may_change(self, table: pa.Table, file: AcceptedFile) -> Mask:
        """Which of a file's n rows are young enough for another label, (n,)."""
        corrections = self.settings.corrections
        if corrections is None:
            return np.ones(table.num_rows, dtype=bool)
        young: Mask = self.now <= event_times(table, file, self._schema) + corrections
        return young

    def is_open(self, table: pa.Table, file: AcceptedFile) -> Mask:
        """Which of a file's n rows are younger than a configured maturity, (n,): nobody believes their labels yet."""
        if self.settings.maturity is None:
            return np.zeros(table.num_rows, dtype=bool)
        return ~self._mature(table, file, None)

    def _told(self, table: pa.Table, file: AcceptedFile) -> tuple["pa.ChunkedArray", NDArray[np.int64], int]:
        column, first, late = newest_labels(table, self._late, self._schema)
        if late and file.source == "traffic":
            again = self._asked_again(table, file)
            column, first, late = (
                _only(column, ~again),
                np.where(again, -1, first),
                late - int((again & (first >= 0)).sum()),
            )
        if late and self.settings.corrections is not None:
            column = self._in_time(column, table, file)
        return column, first, late

    def _asked_again(self, table: pa.Table, file: AcceptedFile) -> Mask:
        """Which of n rows of live traffic are under an id that has a label and an earlier row, (n,). The label is that
        row's: who may only ask would else teach, by asking again under a known id with other features."""
        key = str(self._schema.id_column)
        ids, owners = hash_of_each(table.column(key).to_pylist()), self._first_files
        places = np.searchsorted(owners[0], ids).clip(max=max(0, len(owners[0]) - 1))
        known = owners[0][places] == ids if len(owners[0]) else np.zeros(len(ids), dtype=bool)
        earlier = np.zeros(len(ids), dtype=bool)
        earlier[known] = owners[1][places[known]] < file.seq
        first_of_file = np.zeros(len(ids), dtype=bool)
        first_of_file[np.unique(ids, return_index=True)[1]] = True
        again: Mask = known & (earlier | ~first_of_file)
        return again

    @cached_property
    def _first_files(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        key = str(self._schema.id_column)
        return first_files(self._rows, (key, self._schema.column(key).kind), hashes_of(self._late.newest))

    def _changed(self, table: pa.Table, file: AcceptedFile) -> NDArray[np.int64]:
        """After how many files of rows each row's label was last given another value (n,), −1 for never."""
        key, target = self._schema.id_column, self._schema.target
        own = table.column(target).to_pylist() if target in table.column_names else [None] * table.num_rows
        found = [self._last_change(name, label) for name, label in zip(table.column(key).to_pylist(), own, strict=True)]
        return np.array([-1 if seq is None else max(0, self.files_between(file.seq, seq)) for seq in found], np.int64)

    def _last_change(self, name: Any, own: Any) -> int | None:
        """The file that brought an id's newest label, where that is another one than before."""
        if name not in self._late.first:
            return None
        known = self._late.changes.get(name, ((self._late.first[name], self._late.newest[name]),))
        values = [(-1, own), *known] if own is not None else list(known)
        turns = [seq for (_, before), (seq, label) in pairwise(values) if label != before]
        return turns[-1] if turns else None

    def _lags(self, first: NDArray[np.int64], file: AcceptedFile) -> NDArray[np.int64]:
        """After how many files of rows each label came, where `first` names the file that brought it."""
        ends = np.searchsorted(self._seqs, first, side="right")
        return np.where(first < 0, 0, ends - bisect_right(self._seqs, file.seq)).clip(0)

    def _believed(
        self, column: "pa.ChunkedArray", labelled: Mask, own: Mask, table: pa.Table, file: AcceptedFile
    ) -> "pa.ChunkedArray":
        """The labels that may be believed, of n rows: which are `labelled` (n,), and which in their `own` file (n,)."""
        maturity = self.settings.maturity
        if maturity is None:
            if file.trust != WAITING:
                return column
            return _only(column, own) if self.alone else _only(column, np.zeros(len(labelled), dtype=bool))
        mature = self._mature(table, file, None)
        if self.alone:
            mature |= own
        negative = self.settings.negative
        if negative is not None:
            silent = self._mature(table, file, self._newest_arrival) & ~labelled
            column = pc.if_else(pa.array(silent), pa.scalar(negative, pa.string()), column.cast(pa.string()))
        return _only(column, mature)

    def _mature(self, table: pa.Table, file: AcceptedFile, until: int | None) -> Mask:
        """Which rows had reached maturity when file `until` came, None: now."""
        maturity = self.settings.maturity
        assert maturity is not None
        if maturity.files is not None:
            return np.full(table.num_rows, self._has_files_after(file.seq, maturity.files, until))
        at = self.now if until is None else self.clock(until)
        mature: Mask = event_times(table, file, self._schema) + (maturity.seconds or 0.0) <= at
        return mature

    def _has_files_after(self, seq: int, files: int, until: int | None) -> bool:
        """Whether so many files of rows came after one, and what labels came with the last of these: where files of
        labels follow the files of rows, the last one's is waited for."""
        between = self.files_between(seq, until)
        if between != files or not self._of_labels:
            return between >= files
        place = bisect_right(self._seqs, seq) + files - 1
        newest = max(self._of_labels)
        if newest > self._seqs[place]:
            return True
        return newest < self._seqs[place - 1] and self._newest_arrival >= self._seqs[place]

    def _in_time(self, column: "pa.ChunkedArray", table: pa.Table, file: AcceptedFile) -> "pa.ChunkedArray":
        """With labels as they were when the time for corrections was over."""
        key, changes = self._schema.id_column, self._late.changes
        ids = table.column(key).to_pylist()
        some = [place for place, name in enumerate(ids) if name in self._late.first]
        if not some:
            return column
        target, labels = self._schema.target, column.to_pylist()
        own = table.column(target).to_pylist() if target in table.column_names else [None] * len(ids)
        until = event_times(table, file, self._schema) + (self.settings.corrections or 0.0)
        for place in some:
            known = changes.get(ids[place], ((self._late.first[ids[place]], self._late.newest[ids[place]]),))
            timely = [label for seq, label in known if self.clock(seq) <= until[place]]
            first = own[place] if own[place] is not None else known[0][1]
            labels[place] = timely[-1] if timely else first
        return pa.chunked_array([pa.array(labels, column.type)])


def _only(column: "pa.ChunkedArray", which: Mask) -> "pa.ChunkedArray":
    """The cells of these rows; the others are missing."""
    if which.all():
        return column
    return pc.if_else(pa.array(which), column, pa.scalar(None, column.type))
