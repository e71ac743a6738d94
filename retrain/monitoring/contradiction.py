"""Say of a new file of labels whether it contradicts labels already given, file of rows by file of rows."""

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from retrain.operations import AcceptedFile, ContradictRequest, ContradictResult
from retrain.rows.history import Kept, judged_rows, read_snapshot
from retrain.rows.late_labels import labels_by_id
from retrain.rows.pools import pools_of
from retrain.rows.retype import as_kind, conform
from retrain.rows.settled import Settling
from retrain.rows.touched import are_in, first_files, hash_of_each, hashes_of, have_any, id_hashes
from retrain.suspicion.contradictions import (
    ALL,
    Changes,
    Told,
    adds_changes,
    are_exchanged,
    as_labels,
    changes,
    contradiction,
    together,
    without_provisional,
)

KIND = "contradicting_labels"
MOST_TOUCHED = 50
"""So many of the newest files of rows that a file of labels names are judged."""
USUAL_FILES = 24
"""What changed in so many files before them is usual."""
NO_ROW = -1
_USUAL = Kept(100_000)


def contradict(request: ContradictRequest) -> ContradictResult:
    """The operation: compare a file of labels with what its ids were labelled before."""
    started = time.perf_counter()
    labels = _Labels(request)
    touched = labels.told()
    judged = dict(
        zip(touched, without_provisional(list(touched.values()), request.settings.labels.negative), strict=True)
    )
    pools = labels.pools({seq: changes(one) for seq, one in judged.items()})
    found = None
    if adds_changes(pools):
        others = labels.pools({seq: labels.usual(seq) for seq in labels.before(list(touched))})
        found = contradiction(pools, others, request.schema.target, are_exchanged(list(judged.values())))
    doubt = None if found is None else {"kind": KIND, "reason": found.doubt.reason, "numbers": found.doubt.numbers}
    return ContradictResult(
        doubts=[] if doubt is None else [doubt],
        retold=labels.retold,
        changed=sum(int(np.count_nonzero(one.now != one.before)) for one in touched.values()),
        leaves=None if found is None else found.leaves,
        places=[] if found is None else labels.places(),
        seconds=time.perf_counter() - started,
    )


class _Labels:
    """A new file's labels beside those of the accepted files; `retold` counts those that were given before."""

    def __init__(self, request: ContradictRequest) -> None:
        self._schema, self._numbers = request.schema, request.schema.task == "regression"
        key = str(request.schema.id_column)
        self._key = key, request.schema.column(key).kind
        target = request.schema.target
        self._labels = request.labels
        found = labels_by_id(request.labels, self._key, (target, request.schema.column(target).kind))
        self._new = {name: label for name, label in found.items() if label is not None}
        self._hashes = hashes_of(self._new)
        rows = sorted((file for file in request.files if file.kind == "rows"), key=lambda file: file.seq)
        self._files = {file.seq: file for file in rows}
        self._settling = Settling(request.files, request.schema, request.settings.labels, request.now)
        self.retold = 0

    def told(self) -> dict[int, Told]:
        """The labels of the newest files of rows that have any of its ids, in order, by seq; NO_ROW: those of ids
        without one."""
        found = {seq: self._told(self._files[seq]) for seq in self._touched[-MOST_TOUCHED:]}
        rowless = self._of_no_row()
        return found if rowless is None else {**found, NO_ROW: rowless}

    def before(self, touched: Sequence[int]) -> list[int]:
        """The files of rows before the first of these; the newest where it names no row."""
        first = min((seq for seq in touched if seq != NO_ROW), default=max(self._files, default=0) + 1)
        return [seq for seq in self._files if seq < first][-USUAL_FILES:]

    def usual(self, seq: int) -> Changes:
        """What changed of the labels of a file that is not touched."""
        file = self._files[seq]
        state = self._settling.state(file)
        if state is None:
            return changes(self._told(file))
        kept: Changes = _USUAL.get((file.snapshot, hash(self._schema), state), lambda: changes(self._told(file)))
        return kept

    def pools(self, found: Mapping[int, Changes]) -> list[Changes]:
        """The changes of files, of small ones together."""
        some = {seq: one for seq, one in found.items() if one[ALL].given}
        rows = {seq: self._files[seq].rows if seq in self._files else one[ALL].given for seq, one in some.items()}
        pools = pools_of((seq, one[ALL].given, rows[seq]) for seq, one in some.items())
        return [together(some[seq] for seq in pool) for pool in pools]

    def _of_no_row(self) -> Told | None:
        """Of ids that have labels and no row, as far as files are looked through; None where it changes none of
        them."""
        late = self._settling.late
        wanted = [name for name, label in self._new.items() if name in late.newest and label != late.newest[name]]
        if not wanted or not len(self._without_row(wanted)):
            return None
        names = self._without_row(list(late.newest))
        newest, unsettled = late.newest, self._settling.settings.maturity is not None
        values = [
            [late.first_label(name), newest[name], self._new.get(name, newest[name]), unsettled] for name in names
        ]
        self.retold += sum(name in self._new for name in names)
        return self._as_told([value for value in values if None not in value])

    def places(self) -> list[int]:
        """Where in the file labels stand that change others, of all rows and of ids without one."""
        newest = self._settling.late.newest
        known = {name: newest[name] for name in self._new if name in newest}
        for seq in self._touched:
            table = conform(read_snapshot(self._files[seq].snapshot, self._needed), self._schema)
            told = self._settling.told(table, self._files[seq]).to_pylist()
            known |= {n: label for n, label in zip(_cells(table, self._key[0]), told, strict=True) if n in self._new}
        names = as_kind(pq.read_table(self._labels).column(self._key[0]), self._key[1]).to_pylist()
        changing = {name for name, label in known.items() if label is not None and self._new[name] != label}
        return [place for place, name in enumerate(names) if name in changing]

    @cached_property
    def _touched(self) -> list[int]:
        return [seq for seq, file in self._files.items() if self._names(file)]

    @property
    def _needed(self) -> tuple[str, ...]:
        schema = self._schema
        return tuple(name for name in (self._key[0], schema.time_column, schema.target) if name is not None)

    def _names(self, file: AcceptedFile) -> bool:
        return have_any(id_hashes(file.snapshot, self._key), self._hashes)

    def _without_row(self, names: list[Any]) -> list[Any]:
        hashes, files = hash_of_each(names), [(file.seq, file.snapshot) for file in self._files.values()]
        has_row = are_in(first_files(files, self._key, np.sort(hashes))[0], hashes)
        return [name for name, found in zip(names, has_row.tolist(), strict=True) if not found]

    def _told(self, file: AcceptedFile) -> Told:
        """The labels of a file's rows that have any, at most `retrain.rows.history.JUDGED_ROWS` rows."""
        schema, key = self._schema, self._key[0]
        table = conform(judged_rows(file, self._needed)[0], schema)
        own = _cells(table, schema.target)
        settling = self._settling
        before, young = settling.told(table, file).to_pylist(), settling.may_change(table, file).tolist()
        values, late, unsettled = [], settling.late, settling.is_open(table, file).tolist()
        for name, mine, known, may, waits in zip(_cells(table, key), own, before, young, unsettled, strict=True):
            if known is None:
                continue
            new = self._new.get(name) if name is not None else None
            self.retold += new is not None
            first = late.first_label(name) if mine is None else mine
            now = new if may and new is not None else known
            values.append([known if first is None else first, known, now, waits])
        return self._as_told(values)

    def _as_told(self, values: list[list[Any]]) -> Told:
        first, before, now = (as_labels([value[place] for value in values], self._numbers) for place in range(3))
        return Told(first, before, now, np.array([value[3] for value in values], dtype=bool))


def _cells(table: pa.Table, name: str) -> list[Any]:
    """A column's cells, None where there is no such column."""
    return table.column(name).to_pylist() if name in table.column_names else [None] * table.num_rows
