"""The rows of files that have a label that may be believed, with their origin and event time: of whole files, or of
pieces of long ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from drift.columns.casts import TYPES
from drift.notation import counted
from retrain.labels.propensity import COLUMNS
from retrain.operations import AcceptedFile
from retrain.records.errors import Refused
from retrain.records.predictions import Floats
from retrain.records.schema import Schema
from retrain.rows.answered import AnsweredRows
from retrain.rows.columns import column_values, open_snapshot
from retrain.rows.event_times import event_times
from retrain.rows.held_out import in_reservoir
from retrain.rows.history import believed_labels, read_snapshot
from retrain.rows.retype import changed_kinds, conform
from retrain.rows.settled import Settling


def no_labels() -> Refused:
    """Why nothing can be collected."""
    return Refused("no row has a label that may be believed", "drop labelled files into the data folder")


@dataclass(frozen=True)
class Span:
    """What a piece must know of its file: its first and last row number, its latest event time (None without any), and
    how many rows come `before` the piece."""

    numbers: tuple[int, int]
    latest: float | None = None
    before: int = 0


class Collector:
    """Collects labelled rows of the files, and counts what it leaves out."""

    def __init__(self, files: Sequence[AcceptedFile], schema: Schema, settling: Settling, notes: list[str]) -> None:
        self.of_rows = [file for file in files if file.kind == "rows"]
        if not self.of_rows:
            raise Refused("there are no rows to train on", "drop labelled files into the data folder")
        self._label_files = 0 if schema.id_column is None else len(files) - len(self.of_rows)
        self._schema, self._settling, self._notes = schema, settling, notes
        self._answered = AnsweredRows(files, settling, schema, lambda one, names: read_snapshot(one.snapshot, names))
        self._joined = self._withheld = self._unsettled = self._unlabelled = 0

    def labelled(self, table: pa.Table, file: AcceptedFile, span: Span | None = None) -> pa.Table:
        """The labelled rows of a file, or of a piece of it."""
        schema, settling = self._schema, self._settling
        table = _with_origin(table, file, schema, self._notes, span)
        known = None if span is None else settling.labels(_timed(table, schema, span), file)
        table, found, unknown = believed_labels(table, file, settling, schema, known)
        table = self._answered.weighted(table, file, np.asarray(found.believed.is_valid()))
        kept = _labelled(table.select([name for name in table.column_names if name not in COLUMNS]), schema)
        waiting = int((found.labelled & ~np.asarray(found.believed.is_valid())).sum())
        self._joined += found.late
        self._withheld += unknown
        self._unsettled += waiting
        self._unlabelled += table.num_rows - kept.num_rows - unknown - waiting
        return kept

    def tell(self) -> None:
        """Note what was joined and left out."""
        notes = self._notes
        if self._label_files:
            files = counted(self._label_files, "file")
            notes.append(f"{counted(self._joined, 'row')} got their label from {files} of labels")
        if self._withheld:
            names = ", ".join(map(repr, self.of_rows[0].withheld[:5]))
            notes.append(
                f"{counted(self._withheld, 'row')} of classes that do not count ({names}) were left out: "
                "`driftd status` says why"
            )
        if self._unsettled:
            notes.append(
                f"{counted(self._unsettled, 'row')} whose label may not be believed yet were left out: "
                "`driftd status` says why"
            )
        if self._unlabelled:
            notes.append(f"{counted(self._unlabelled, 'row')} without a label were left out")


def pieces(file: AcceptedFile, schema: Schema, most_rows: int) -> Iterator[tuple[pa.Table, Span | None]]:
    """A snapshot's rows in their order, at most so many at a time; whole where it has no more, or is of live traffic,
    whose rows depend on each other."""
    if file.source == "traffic" or file.rows <= most_rows:
        yield pq.read_table(file.snapshot, pre_buffer=False), None
        return
    with open_snapshot(file.snapshot) as opened:
        span = _span(opened, schema, most_rows)
        for batch in opened.iter_batches(batch_size=most_rows):
            yield pa.Table.from_batches([batch]), span
            span = replace(span, before=span.before + batch.num_rows)


def _span(opened: Any, schema: Schema, most_rows: int) -> Span:
    """Of a file that is read in pieces: its row numbers and event times are gone through first."""
    name = schema.time_column if schema.time_column in opened.schema_arrow.names else None
    ends, latest = list[tuple[int, int]](), list[float]()
    for batch in opened.iter_batches(batch_size=most_rows, columns=["__row", *([] if name is None else [name])]):
        numbers = pc.min_max(batch.column("__row")).as_py()
        ends.append((numbers["min"], numbers["max"]))
        if name is not None:
            table = conform(pa.Table.from_batches([batch]), schema)
            times = column_values(table.column(name), schema.column(name).kind)
            present = np.asarray(times)[np.isfinite(np.asarray(times))]
            latest += [float(present.max())] if len(present) else []
    return Span((min(a for a, _ in ends), max(b for _, b in ends)), max(latest, default=None))


def _timed(table: pa.Table, schema: Schema, span: Span) -> pa.Table:
    """With the latest event time of the file where a row has none."""
    name = schema.time_column
    if name is None or name not in table.column_names or span.latest is None:
        return table
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        latest = pa.scalar(round(span.latest * 1e6), pa.int64()).cast(pa.timestamp("us")).cast(column.type)
        known = column.is_valid()
    else:
        latest = pa.scalar(span.latest).cast(column.type, safe=False)
        known = pc.fill_null(pc.is_finite(column.cast(pa.float64(), safe=False)), False)
    return table.set_column(table.column_names.index(name), name, pc.if_else(known, column, latest))


def _with_origin(
    table: pa.Table, file: AcceptedFile, schema: Schema, notes: list[str], span: Span | None = None
) -> pa.Table:
    present = set(table.column_names)
    lacking = [c.name for c in schema.columns if c.name not in present]
    other = changed_kinds(table, schema)
    for names, what in (
        (lacking, "has no {}: missing in its rows"),
        (other, "has {} of another kind: what does not fit is missing"),
    ):
        note = f"file {file.seq} {what.format(', '.join(names))}"
        if names and note not in notes:
            notes.append(note)
    table = conform(table, schema)
    for column in schema.features:
        if column.name not in present:
            table = table.append_column(column.name, pa.nulls(table.num_rows, TYPES[column.kind]))
    names = [c.name for c in schema.columns if c.name in table.column_names]
    names += [name for name in COLUMNS if name in table.column_names]
    rows, numbers = table.num_rows, table.column("__row").to_numpy()
    times = _event_times(table, file, schema, span)
    return (
        table.select([*names, "__row"])
        .append_column("__seq", pa.array(np.full(rows, file.seq, dtype=np.int64)))
        .append_column("__time", pa.array(times))
        .append_column(
            "__reserved", pa.array(in_reservoir(numbers, file.place, None if span is None else span.numbers))
        )
    )


def _event_times(table: pa.Table, file: AcceptedFile, schema: Schema, span: Span | None) -> Floats:
    """Event times as Unix seconds; without a time column the order of arrival: the file's number and the row's share of
    the file."""
    if schema.time_column is not None and schema.time_column in table.column_names:
        return event_times(table, file, schema, None if span is None else span.latest)
    before, rows = (0, table.num_rows) if span is None else (span.before, file.rows)
    order: Floats = file.seq + np.arange(before, before + table.num_rows) / max(1, rows)
    return order


def _labelled(table: pa.Table, schema: Schema) -> pa.Table:
    if schema.target not in table.column_names:
        return table.slice(0, 0)
    target = table.column(schema.target)
    good = target.is_valid()
    if schema.task == "regression":
        good = pc.and_(good, pc.fill_null(pc.is_finite(pc.cast(target, pa.float64(), safe=False)), False))
    return table.filter(good)
