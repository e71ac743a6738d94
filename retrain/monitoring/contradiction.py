"""Say of a new file of labels whether it contradicts labels already given, file of rows by file of rows."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from retrain.operations import AcceptedFile, ContradictRequest, ContradictResult
from retrain.rows.history import judged_rows
from retrain.rows.late_labels import labels_by_id
from retrain.rows.pools import pools_of
from retrain.rows.retype import conform
from retrain.rows.settled import Settling
from retrain.rows.touched import hashes_of, id_hashes
from retrain.suspicion.contradictions import Told, adds_changes, as_labels, contradiction, together

KIND = "contradicting_labels"
MOST_TOUCHED = 50
"""So many of the newest files of rows that a file of labels names are judged."""
USUAL_FILES = 24
"""What changed in so many files before them is usual."""


def contradict(request: ContradictRequest) -> ContradictResult:
    """The operation: compare a file of labels with what its ids were labelled before."""
    started = time.perf_counter()
    labels = _Labels(request)
    touched = labels.touched()
    pools = labels.pools(touched)
    rowless = labels.of_no_row()
    pools += [] if rowless is None else [rowless]
    doubt = None
    if adds_changes(pools):
        doubt = contradiction(pools, labels.pools(labels.before(touched)), request.schema.target)
    doubts = [] if doubt is None else [{"kind": KIND, "reason": doubt.reason, "numbers": doubt.numbers}]
    changed = int(np.count_nonzero(together(pools).now != together(pools).before)) if pools else 0
    return ContradictResult(doubts=doubts, retold=labels.retold, changed=changed, seconds=time.perf_counter() - started)


class _Labels:
    """A new file's labels beside those of the accepted files; `retold` counts those that were given before."""

    def __init__(self, request: ContradictRequest) -> None:
        self._schema, self._numbers = request.schema, request.schema.task == "regression"
        key = str(request.schema.id_column)
        self._key = key, request.schema.column(key).kind
        target = request.schema.target
        found = labels_by_id(request.labels, self._key, (target, request.schema.column(target).kind))
        self._new = {name: label for name, label in found.items() if label is not None}
        self._hashes = hashes_of(self._new)
        rows = sorted((file for file in request.files if file.kind == "rows"), key=lambda file: file.seq)
        self._files = {file.seq: file for file in rows}
        self._settling = Settling(request.files, request.schema, request.settings.labels, request.now)
        self.retold = 0

    def touched(self) -> list[int]:
        """The newest files of rows that have any of its ids, in order."""
        found = [seq for seq, file in self._files.items() if self._names(file)]
        return found[-MOST_TOUCHED:]

    def before(self, touched: Sequence[int]) -> list[int]:
        """The files of rows before the first of these; all where it names no row."""
        first = min(touched, default=max(self._files, default=0) + 1)
        return [seq for seq in self._files if seq < first][-USUAL_FILES:]

    def pools(self, seqs: Sequence[int]) -> list[Told]:
        """The labels of the rows of these files, of small ones together."""
        told = {seq: one for seq in seqs if len((one := self._told(self._files[seq])).first)}
        pools = pools_of((seq, len(one.first), self._files[seq].rows) for seq, one in told.items())
        return [together([told[seq] for seq in pool]) for pool in pools]

    def of_no_row(self) -> Told | None:
        """Of ids that have labels and no row, as far as files are looked through; None where it changes none of
        them."""
        late = self._settling.late
        wanted = [name for name, label in self._new.items() if name in late.newest and label != late.newest[name]]
        if not wanted or not len(self._without_row(wanted)):
            return None
        names = self._without_row(list(late.newest))
        values = [[late.first_label(name), late.newest[name], self._new.get(name, late.newest[name])] for name in names]
        self.retold += sum(name in self._new for name in names)
        return self._as_told([value for value in values if None not in value])

    def _names(self, file: AcceptedFile) -> bool:
        ids = id_hashes(file.snapshot, self._key)
        return bool(np.isin(self._hashes, ids, assume_unique=True).any())

    def _without_row(self, names: list[Any]) -> list[Any]:
        hashes, known = np.fromiter(map(hash, names), np.int64, len(names)), np.zeros(len(names), dtype=bool)
        for file in self._files.values():
            known |= np.isin(hashes, id_hashes(file.snapshot, self._key))
        return [name for name, has_row in zip(names, known.tolist(), strict=True) if not has_row]

    def _told(self, file: AcceptedFile) -> Told:
        """The labels of a file's rows that have any, at most `retrain.rows.history.JUDGED_ROWS` rows."""
        schema, key = self._schema, self._key[0]
        needed = tuple(name for name in (key, schema.time_column, schema.target) if name is not None)
        table = conform(judged_rows(file, needed)[0], schema)
        own = _cells(table, schema.target)
        before, young = self._settling.told(table, file).to_pylist(), self._settling.may_change(table, file).tolist()
        values, late = [], self._settling.late
        for name, mine, known, may in zip(_cells(table, key), own, before, young, strict=True):
            if known is None:
                continue
            new = self._new.get(name) if name is not None else None
            self.retold += new is not None
            first = late.first_label(name) if mine is None else mine
            values.append([known if first is None else first, known, new if may and new is not None else known])
        return self._as_told(values)

    def _as_told(self, values: list[list[Any]]) -> Told:
        return Told(*(as_labels([value[place] for value in values], self._numbers) for place in range(3)))


def _cells(table: pa.Table, name: str) -> list[Any]:
    """A column's cells, None where there is no such column."""
    return table.column(name).to_pylist() if name in table.column_names else [None] * table.num_rows
