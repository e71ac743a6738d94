"""History as batches: files taken in as the daemon would, one file cut into batches in the order of its rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import structs

from daemon.reading.open_file import require_file
from daemon.reading.operations import TakeRequest
from daemon.reading.take import take
from daemon.tools.column_names import listed_columns
from daemon.tools.replay.label_times import LabelTimes
from daemon.tools.replay.row_ids import identified, require_times
from daemon.tools.replay.subject import Request, Subject
from drift.notation import counted
from retrain.operations import AcceptedFile
from retrain.records.errors import Refused
from retrain.records.new_classes import KnownClasses, NewClass
from retrain.records.predictions import Floats
from retrain.records.schema import Column, Schema, declared_schema
from retrain.records.settings import ColumnKind, ModelSettings
from retrain.rows.columns import column_values
from retrain.rows.event_times import time_span
from retrain.rows.targets import class_column
from retrain.rows.withheld import without_labels
from retrain.user_code import absolute_name

USUAL_BATCHES, USUAL_ROWS = 50, 100
"""How a single file is cut unless it is said; a fifth of the newest two batches is held out of the first model."""


@dataclass(frozen=True)
class BatchFile:
    """One batch on disk: with its labels, and as it looked before they were there; `place` counts from 0. `scored`,
    where it is given, is what the batch should have been: served and scored in place of what is learned from."""

    place: int
    labelled: Path
    unlabelled: Path
    rows: int
    labelled_rows: int
    scored: Path | None = None

    @property
    def seq(self) -> int:
        """Its number among files that are all batches."""
        return self.place + 1

    def served(self) -> AcceptedFile:
        """As the rows that are served and scored, with their labels."""
        if self.scored is None:
            return self.accepted()
        return structs.replace(self.accepted(), snapshot=self.scored, digest=f"batch{self.seq}.scored")

    def accepted(self) -> AcceptedFile:
        """As the stages read it, with all its labels."""
        return AcceptedFile(
            seq=self.seq, snapshot=self.labelled, digest=f"batch{self.seq}", rows=self.rows, accepted_at=float(self.seq)
        )


@dataclass(frozen=True)
class Source:
    """The batches of a replay, oldest first, in the types of one schema; rows of `withheld` classes lie there without
    a label. `not_learned` tells by name why columns of an inferred schema are no features; `notes` are for people."""

    schema: Schema
    batches: tuple[BatchFile, ...]
    rejected: int
    withheld: tuple[NewClass, ...] = ()
    not_learned: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def clock(self) -> list[float]:
        """By batch, the newest event time that was seen by then (Unix seconds)."""
        column = [str(self.schema.time_column)]
        times = [self.event_times(pq.read_table(batch.labelled, columns=column)) for batch in self.batches]
        newest = [(time_span(one) or (-np.inf, -np.inf))[1] for one in times]
        clock: list[float] = np.maximum.accumulate(newest).tolist()
        return clock

    def event_times(self, table: pa.Table) -> Floats:
        """The time column (n,) in Unix seconds, a missing one as the latest of its batch."""
        times = self.seconds(table, str(self.schema.time_column))
        latest = np.nanmax(times, initial=-np.inf)
        return np.where(np.isfinite(times), times, latest)

    def seconds(self, table: pa.Table, name: str) -> Floats:
        """A column of times or numbers (n,), NaN where missing."""
        column = table.column(name)
        kind: ColumnKind = "datetime" if pa.types.is_timestamp(column.type) else "number"
        return np.asarray(column_values(column, kind), dtype=np.float64)

    @property
    def rows(self) -> int:
        """All rows that were taken in."""
        return sum(batch.rows for batch in self.batches)


def read(request: Request, subject: Subject, work: Path) -> Source:
    """The batches as the settings of a subject read the files."""
    return read_source(
        request.files, found_settings(subject), request.batches, work, request.initial, request.approve_classes,
        request.subject.ignore, request.subject.columns, request.times,
    )  # fmt: skip


def found_settings(subject: Subject) -> ModelSettings:
    """Its settings, with the file of its own preparation wherever they are used."""
    settings = subject.settings
    if settings.prepare is None:
        return settings
    return settings.model_copy(update={"prepare": absolute_name(settings.prepare, subject.config_dir)})


def read_source(
    files: Sequence[Path],
    settings: ModelSettings,
    batches: int | None,
    work: Path,
    initial: int = 4,
    approved: bool = False,
    ignore: Sequence[str] = (),
    columns: Sequence[str] = (),
    times: LabelTimes | None = None,
) -> Source:
    """Several files are a batch each, in their order; one is cut into `batches` of equal length, by default
    see `usual_batches`. Refused where a file
    is beyond repair or has too few rows. Classes that do not count (see `retrain.records.new_classes`) are those that
    the `initial` batches do not make known; `approved`: as if a person had approved each new one. Columns to `ignore`
    are not learned from; where `columns` are named, they alone are. Where labels come late (`times`), rows have ids."""
    times = times or LabelTimes()
    schema = _with_times(declared_schema(settings), times)
    tables: list[pa.Table] = []
    rejected = 0
    not_learned: dict[str, str] = {}
    for file in files:
        require_file(file)
        try:
            taken = take(TakeRequest(path=file, schema=schema, settings=settings, work=work))
        except Refused as error:
            raise Refused(f"{file}: {error.message}", error.hint) from None
        if taken.kind != "rows":
            raise Refused(f"{file} holds labels only", "replay reads files of rows with their labels")
        schema, rejected, not_learned = taken.schema, rejected + taken.rejected, not_learned | taken.not_learned
        tables.append(pq.read_table(taken.snapshot, pre_buffer=False))
        taken.snapshot.unlink()
    assert schema is not None
    names = [column.name for column in schema.columns if column.name != schema.target]
    told = (times.column,) if times.column else ()  # when a label came says what it is
    ignored = dict.fromkeys((*listed_columns(ignore, names), *listed_columns(told, names)))
    schema = schema.learning_from(ignored, listed_columns(columns, names))
    require_times(times, schema)
    rows = tables[0].num_rows
    pieces = _cut(tables[0], batches or usual_batches(rows, initial)) if len(tables) == 1 else tables
    withheld = _withheld(pieces, schema, settings, initial, approved) if schema.task == "classification" else ()
    names = [one.name for one in withheld]
    pieces = [without_labels(piece, schema.target, names)[0] for piece in pieces]
    pieces, schema, notes = identified(pieces, schema) if times.late else (pieces, schema, ())
    written = tuple(_write(piece, schema, place, work) for place, piece in enumerate(pieces))
    return Source(schema, written, rejected, withheld, not_learned, notes)


def _with_times(schema: Schema | None, times: LabelTimes) -> Schema | None:
    """A declared schema with the column that says when labels came: only histories have it, so no service names it."""
    if schema is None or not times.column or times.column in [column.name for column in schema.columns]:
        return schema
    return replace(schema, columns=(*schema.columns, Column(times.column, "datetime", feature=False)))


def _withheld(
    pieces: Sequence[pa.Table], schema: Schema, settings: ModelSettings, initial: int, approved: bool
) -> tuple[NewClass, ...]:
    """As the daemon withholds classes, nobody being there to approve one. Where the initial batches are fewer rows than
    its first model needs, two rows make a class."""
    first, triggers = _class_rows(pieces[:initial], schema.target), settings.triggers
    enough = sum(rows >= triggers.first_class_rows for rows in first.values()) >= 2
    needed = triggers.first_class_rows if enough and sum(first.values()) >= triggers.first_rows else 2
    unknown = {one.name for one in KnownClasses(needed=needed).withheld(first)}
    known = KnownClasses(learned=frozenset(first.keys() - unknown), needed=triggers.first_class_rows)
    withheld = known.withheld(_class_rows(pieces, schema.target))
    return tuple(one for one in withheld if one.meant or not approved)


def _class_rows(pieces: Sequence[pa.Table], target: str) -> dict[str, int]:
    rows = Counter[str]()
    for piece in pieces:
        for entry in pc.value_counts(class_column(piece.column(target)).drop_null()).to_pylist():
            rows[entry["values"]] += entry["counts"]
    return dict(rows)


def usual_batches(rows: int, initial: int) -> int:
    """How many batches a file of so many rows is cut into where nobody says it: 50, or fewer of 100 rows, so that what
    is held out of the initial ones can tell a model's worth.

    >>> usual_batches(45_000, 4), usual_batches(1_500, 4), usual_batches(300, 4)
    (50, 15, 6)
    """
    return max(initial + 2, min(USUAL_BATCHES, rows // USUAL_ROWS))


def _cut(table: pa.Table, batches: int) -> list[pa.Table]:
    if table.num_rows < 2 * batches:
        reason = f"{counted(table.num_rows, 'row')} cannot be cut into {counted(batches, 'batch')}"
        raise Refused(reason, "give more rows, or fewer --batches")
    edges = np.linspace(0, table.num_rows, batches + 1).astype(int).tolist()
    return [table.slice(start, stop - start) for start, stop in pairwise(edges)]


def _write(table: pa.Table, schema: Schema, place: int, work: Path) -> BatchFile:
    """With labels and without, rows numbered from 1."""
    numbers = pa.array(np.arange(1, table.num_rows + 1))
    table = table.set_column(table.column_names.index("__row"), "__row", numbers).combine_chunks()
    at = table.column_names.index(schema.target)
    target = table.schema.field(at)
    bare = table.set_column(at, target, pa.nulls(table.num_rows, target.type))
    name = f"{place + 1:05d}"
    labelled, unlabelled = work / f"{name}.parquet", work / f"{name}.unlabelled.parquet"
    pq.write_table(table, labelled, compression="lz4")
    pq.write_table(bare, unlabelled, compression="lz4")
    known = table.num_rows - table.column(at).null_count
    return BatchFile(place, labelled, unlabelled, table.num_rows, known)
