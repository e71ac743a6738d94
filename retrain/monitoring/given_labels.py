"""The labels of a new file beside those that rows, and ids without one, were given before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from retrain.operations import AcceptedFile, ContradictRequest
from retrain.rows.history import JUDGED_ROWS, Kept, judged_rows, read_snapshot
from retrain.rows.late_labels import labels_by_id
from retrain.rows.pools import pools_of
from retrain.rows.retype import as_kind, conform
from retrain.rows.settled import Settling
from retrain.rows.touched import are_in, first_files, hash_of_each, hashes_of, have_any, id_hashes
from retrain.suspicion.contradictions import ALL, Changes, Told, as_labels, changes, together

MOST_ROWS = 50 * JUDGED_ROWS
"""Files are judged up to so many rows in all, those first of which most labels change."""
USUAL_FILES = 24
"""What changed in so many files before them is usual."""
NO_ROW = -1
_USUAL = Kept(100_000)


@dataclass(frozen=True)
class _Named:
    """Of the ids in a file of rows that have a label: the `known` ones, and how many of them may and do `change`."""

    known: Mapping[Any, Any]
    change: int


class GivenLabels:
    """A new file's labels beside those of the accepted files."""

    def __init__(self, request: ContradictRequest) -> None:
        self._schema, self._numbers = request.schema, request.schema.task == "regression"
        key = str(request.schema.id_column)
        self._key = key, request.schema.column(key).kind
        target = request.schema.target
        self._labels = request.labels
        self._new = labels_by_id(request.labels, self._key, (target, request.schema.column(target).kind))
        self._hashes = hashes_of(self._new)
        rows = sorted((file for file in request.files if file.kind == "rows"), key=lambda file: file.seq)
        self._files = {file.seq: file for file in rows}
        self._settling = Settling(request.files, request.schema, request.settings.labels, request.now)

    @property
    def retold(self) -> int:
        """How many labels are of ids that have one: of rows, and where it changes some, of ids without one."""
        return sum(len(one.known) for one in self._named.values()) + len(self._rowless)

    @property
    def changed(self) -> int:
        """How many of these it gives another value."""
        newest = self._settling.late.newest
        return sum(one.change for one in self._named.values()) + len(
            [name for name in self._rowless if self._new[name] != newest[name]]
        )

    def told(self) -> dict[int, Told]:
        """The labels of the files of rows that it names, in order, by seq. Small ones of which it changes nothing count
        beside their neighbours."""
        most = sorted(self._named, key=self._by_change)
        rows = accumulate(min(self._files[seq].rows, JUDGED_ROWS) for seq in most)
        chosen = [seq for seq, so_many in zip(most, rows, strict=True) if so_many <= MOST_ROWS]
        return {seq: self._told(self._files[seq], self._new) for seq in sorted(chosen)}

    def before(self) -> list[int]:
        """The files of rows before the newest that it changes, without those that it does; the newest where it changes
        those of no row."""
        change = {seq for seq, one in self._named.items() if one.change}
        newest = max(change, default=max(self._files, default=0) + 1)
        return [seq for seq in self._files if seq < newest and seq not in change][-USUAL_FILES:]

    def usual(self, seq: int) -> Changes:
        """What had changed of the labels of a file."""
        file = self._files[seq]
        state = self._settling.state(file)
        if state is None:
            return changes(self._told(file, {}))
        kept: Changes = _USUAL.get((file.snapshot, hash(self._schema), state), lambda: changes(self._told(file, {})))
        return kept

    def pools(self, found: Mapping[int, Changes]) -> list[Changes]:
        """The changes of files, of small ones together."""
        some = {seq: one for seq, one in found.items() if one[ALL].given}
        rows = {seq: self._files[seq].rows if seq in self._files else one[ALL].given for seq, one in some.items()}
        pools = pools_of((seq, one[ALL].given, rows[seq]) for seq, one in some.items())
        return [together(some[seq] for seq in pool) for pool in pools]

    def of_no_row(self, pools: Sequence[Changes]) -> Told | None:
        """Of ids that have labels and no row, as far as files are looked through; None where it changes none of them.
        They are as many as a usual one of these pools of rows has, those that changed first and then the newest: ids
        that nobody knows cost nothing to label, and would hide those whose rows are no file yet."""
        if not self._rowless:
            return None
        late, unsettled = self._settling.late, self._settling.settings.maturity is not None
        names = self._without_row(list(late.newest))
        values = [
            [late.first_label(name), late.newest[name], self._new.get(name, late.newest[name]), unsettled]
            for name in names
        ]
        values = [value for value in values if None not in value]
        sizes = [pool[ALL].given for pool in pools]
        most = round(float(np.median(sizes))) if sizes else len(values)
        changed = [value for value in values if value[2] != value[0]]
        others = [value for value in values if value[2] == value[0]]
        return self._as_told([*changed, *others[len(others) - max(0, most - len(changed)) :]])

    def places(self) -> list[int]:
        """Where in the file labels stand that change others, of all rows and of ids without one."""
        newest = self._settling.late.newest
        known = {name: newest[name] for name in self._new if name in newest}
        for one in self._named.values():
            known |= one.known
        names = as_kind(pq.read_table(self._labels).column(self._key[0]), self._key[1]).to_pylist()
        changing = {name for name, label in known.items() if self._new[name] != label}
        return [place for place, name in enumerate(names) if name in changing]

    @cached_property
    def _named(self) -> dict[int, _Named]:
        """Of the files of rows that have any of its ids, by seq."""
        files = self._files.items()
        return {
            seq: self._named_in(file)
            for seq, file in files
            if have_any(id_hashes(file.snapshot, self._key), self._hashes)
        }

    def _named_in(self, file: AcceptedFile) -> _Named:
        table, key = read_snapshot(file.snapshot, self._needed), self._key[0]
        ids = as_kind(table.column(key), self._key[1])
        ids = ids.cast(ids.type.value_type) if pa.types.is_dictionary(ids.type) else ids
        table = conform(table.filter(pc.is_in(ids, pa.array(list(self._new), ids.type))), self._schema)
        told, young = self._settling.told(table, file).to_pylist(), self._settling.may_change(table, file).tolist()
        rows = list(zip(_cells(table, key), told, young, strict=True))
        known = {name: label for name, label, _ in rows if label is not None}
        change = [name for name, label, may in rows if may and label is not None and self._new[name] != label]
        return _Named(known, len(change))

    def _by_change(self, seq: int) -> tuple[int, int]:
        return -self._named[seq].change, -seq

    @cached_property
    def _rowless(self) -> list[Any]:
        """Its ids that have a label and no row; none where it changes no such label."""
        newest = self._settling.late.newest
        known = [name for name in self._new if name in newest]
        return self._without_row(known) if any(self._new[name] != newest[name] for name in known) else []

    @property
    def _needed(self) -> tuple[str, ...]:
        schema = self._schema
        return tuple(name for name in (self._key[0], schema.time_column, schema.target) if name is not None)

    def _without_row(self, names: list[Any]) -> list[Any]:
        hashes, files = hash_of_each(names), [(file.seq, file.snapshot) for file in self._files.values()]
        has_row = are_in(first_files(files, self._key, np.sort(hashes))[0], hashes)
        return [name for name, found in zip(names, has_row.tolist(), strict=True) if not found]

    def _told(self, file: AcceptedFile, new: Mapping[Any, Any]) -> Told:
        """The labels of a file's rows that have any, with `new` ones by id; at most `JUDGED_ROWS` rows."""
        schema, key, settling = self._schema, self._key[0], self._settling
        table = conform(judged_rows(file, self._needed)[0], schema)
        own, before = _cells(table, schema.target), settling.told(table, file).to_pylist()
        young, unsettled = settling.may_change(table, file).tolist(), settling.is_open(table, file).tolist()
        values = []
        for name, mine, known, may, waits in zip(_cells(table, key), own, before, young, unsettled, strict=True):
            if known is None:
                continue
            first = settling.late.first_label(name) if mine is None else mine
            now = new.get(name, known) if may and name is not None else known
            values.append([known if first is None else first, known, now, waits])
        return self._as_told(values)

    def _as_told(self, values: Sequence[Sequence[Any]]) -> Told:
        first, before, now = (as_labels([value[place] for value in values], self._numbers) for place in range(3))
        return Told(first, before, now, np.array([value[3] for value in values], dtype=bool))


def _cells(table: pa.Table, name: str) -> list[Any]:
    """A column's cells, None where there is no such column."""
    return table.column(name).to_pylist() if name in table.column_names else [None] * table.num_rows
