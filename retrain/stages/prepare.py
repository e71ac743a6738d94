"""The prepare stage: snapshots to training rows and held-out rows, oldest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import asdict, replace
from numpy.typing import NDArray

from retrain.operations import AcceptedFile, PreparedRows, PrepareRequest, PrepareResult
from retrain.records.errors import Refused
from retrain.records.predictions import Floats
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings
from retrain.rows.budget import is_large
from retrain.rows.collect import Collector, no_labels
from retrain.rows.duplicates import repeated_rows
from retrain.rows.held_out import NEWEST_FILES
from retrain.rows.history import read_snapshot
from retrain.rows.pools import pool_of_each, step_of_each
from retrain.rows.seen import seen_rows
from retrain.rows.settled import Settling
from retrain.rows.targets import class_column
from retrain.rows.window import Split, ages, split
from retrain.rows.window_reach import chosen_window
from retrain.stages.large_window import LargeWindow
from retrain.stages.training_rows import (
    in_batches,
    known_to_champion,
    learnable_classes,
    note_new_classes,
    of_before,
    result_rows,
    write_rows,
)
from retrain.store.versions import undamaged


@dataclass(frozen=True, eq=False)
class Prepared:
    """Training and held-out rows, oldest first, with the schema's columns and __seq, __row, __time (event time) and
    __weight, and __label_weight where labels depend on the answer; `rows` is the stage's result without paths."""

    train: pa.Table
    holdout: pa.Table
    rows: PreparedRows


def prepare(request: PrepareRequest) -> PrepareResult:
    """Collect the files' rows, join late labels, clean, deduplicate, window and split.

    Writes `work`/train.parquet and holdout.parquet (see `Prepared`). Refused where there is too little to train on or
    to compare with."""
    work, champion = request.work, request.champion
    training = None if champion is None else undamaged(champion.path(champion.newest) / "training.json")
    if is_large(request.files, request.settings.limits.train_bytes):
        return LargeWindow(request, training).prepare()
    done = prepare_rows(request.files, request.schema, request.settings, training, request.window, request.now)
    rows = replace(done.rows, known_rows=done.rows.known_rows + request.rows_before)
    train, holdout = work / "train.parquet", work / "holdout.parquet"
    write_rows(done.train, train, "prepare.train")
    write_rows(done.holdout, holdout, "prepare.holdout")
    return PrepareResult(train=train, holdout=holdout, **asdict(rows))


def prepare_rows(
    files: Sequence[AcceptedFile],
    schema: Schema,
    settings: ModelSettings,
    champion: Mapping[str, Any] | None,
    window: Mapping[str, Any] | None,
    now: float | None = None,
) -> Prepared:
    """The stage's work on the files that `History` knows too, at `now`; `champion` is the training.json of the newest
    version."""
    notes: list[str] = []
    table = labelled_rows(files, schema, settings, notes, now, champion is None)
    times, sequence = _numbers(table, "__time"), table.column("__seq").to_numpy()
    reserved = table.column("__reserved").to_numpy()
    seen = known_to_champion(champion, files, times, sequence, table.column("__row").to_numpy(), reserved)
    chosen = chosen_window(settings.window, window)
    lengths = {file.seq: file.rows for file in files}
    pools, steps = pool_of_each(sequence, lengths), step_of_each(sequence, lengths)
    age = ages(steps)
    if settings.window.kind == "auto":
        chosen, age = in_batches(chosen, pools, steps, sequence, lengths)
    parts = split(times, pools, seen, reserved, chosen, champion is None, age, of_before(champion, files, sequence))
    table = table.append_column("__weight", pa.array(parts.weight)).drop_columns(["__reserved"])
    train, holdout = table.filter(pa.array(parts.train)), table.filter(pa.array(parts.holdout))
    train = learnable(train, schema, notes)
    if schema.task == "classification":
        note_new_classes(_classes(train, schema), _classes(holdout, schema), champion, notes)
    return Prepared(train, holdout, _summary(files, schema, parts, table, pools, train, holdout, notes))


def labelled_rows(
    files: Sequence[AcceptedFile],
    schema: Schema,
    settings: ModelSettings,
    notes: list[str],
    now: float | None = None,
    alone: bool = False,
) -> pa.Table:
    """All rows of the files with a label that may be believed at `now` (see `retrain.rows.settled`), cleaned, without
    duplicates, oldest first, with their origin (see `Prepared`) and __reserved; Refused where there is none."""
    settling = Settling(files, schema, settings.labels, now, alone)
    table = _deduplicate(_collect(files, schema, settling, notes), schema, settings.window.deduplicate, notes)
    order = np.lexsort((table.column("__row").to_numpy(), table.column("__seq").to_numpy(), _numbers(table, "__time")))
    return table.take(pa.array(order))


def _summary(
    files: Sequence[AcceptedFile],
    schema: Schema,
    parts: Split,
    table: pa.Table,
    pools: NDArray[np.int64],
    train: pa.Table,
    holdout: pa.Table,
    notes: list[str],
) -> PreparedRows:
    used = set(train.column("__seq").to_pylist())
    held = set(holdout.column("__seq").to_pylist())
    sequence = table.column("__seq").to_numpy()
    newest = np.isin(pools, np.unique(pools)[-NEWEST_FILES:])
    reserved = held | set(np.unique(sequence[newest]).tolist())
    seen = seen_rows(files, used, sequence, table.column("__row").to_numpy())
    rows = result_rows(files, schema, used, held, reserved, seen, parts, len(sequence), notes)
    return replace(rows, train_rows=train.num_rows, holdout_rows=holdout.num_rows)


def learnable(train: pa.Table, schema: Schema, notes: list[str]) -> pa.Table:
    """Training rows without the classes of fewer than two rows: nothing can be learned from one."""
    if schema.task != "classification":
        return train
    words = class_column(train.column(schema.target))
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(words).to_pylist()}
    learned = learnable_classes(counts, notes)
    if rare := sorted(set(counts) - learned):
        train = train.filter(pc.invert(pc.is_in(words, value_set=pa.array(rare, pa.string()))))
    return train


def _classes(table: pa.Table, schema: Schema) -> set[str]:
    return set(pc.unique(class_column(table.column(schema.target))).to_pylist())


def _collect(files: Sequence[AcceptedFile], schema: Schema, settling: Settling, notes: list[str]) -> pa.Table:
    """All rows of all files with a label that may be believed, with their origin and event time. A file's other rows
    are let go of before the next one is read: of live traffic few may ever have one."""
    collector = Collector(files, schema, settling, notes)
    tables = (collector.labelled(read_snapshot(file.snapshot), file) for file in collector.of_rows)
    found = [table for table in tables if table.num_rows]
    collector.tell()
    if not found:
        raise no_labels()
    return pa.concat_tables(found, promote_options="permissive")


def _deduplicate(table: pa.Table, schema: Schema, how: str, notes: list[str]) -> pa.Table:
    """By id the newest row wins; without ids rows that are equal in every column are one, where chance does not make
    such rows (see `retrain.rows.duplicates`)."""
    if how == "auto" and schema.id_column is None:
        return _without_repeated(table, schema, notes)
    how = "id" if how == "auto" else how
    if how == "id" and schema.id_column is None:
        raise Refused('window.deduplicate is "id" and there is no id_column', "name the id column")
    if how == "none":
        return table
    keys = [schema.id_column] if how == "id" else [c.name for c in schema.columns if c.name in table.column_names]
    kept = _newest_by(table, [key for key in keys if key is not None])
    left = table.num_rows - kept.num_rows
    if left:
        notes.append(f"{left:,} duplicate rows (by {'id' if how == 'id' else 'all columns'}) were left out")
    return kept


def _without_repeated(table: pa.Table, schema: Schema, notes: list[str]) -> pa.Table:
    names = [column.name for column in schema.columns if column.name in table.column_names]
    found = repeated_rows(np.array([_cells(table.column(name)) for name in names]), np.arange(table.num_rows))
    if dropped := int(np.count_nonzero(found.dropped)):
        notes.append(
            f"{dropped:,} rows that equal another one in all columns were left out: chance does not make such rows, "
            'they were delivered twice (`window.deduplicate = "none"` keeps them)'
        )
    if found.alike:
        notes.append(
            f"{found.alike:,} rows that equal another one in all columns were kept: the columns are so coarse that "
            'chance makes such rows (an `id_column` would tell, `window.deduplicate = "rows"` leaves them out)'
        )
    return table.filter(pa.array(~found.dropped)) if dropped else table


def _cells(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """64 bits for each cell (n,), equal where the cells are."""
    codes = column.combine_chunks().dictionary_encode().indices
    return np.asarray(pc.fill_null(codes, -1).to_numpy(zero_copy_only=False)).astype(np.int64).view(np.uint64)


def _newest_by(table: pa.Table, keys: list[str]) -> pa.Table:
    """One row for each key: of the file that arrived last, the last one. Rows without a key stay."""
    named = table.select(keys).unify_dictionaries()  # codes of one file mean another word in the next one
    last = named.append_column("__position", pa.array(np.arange(table.num_rows))).group_by(keys)
    last = last.aggregate([("__position", "max")])
    kept = np.isin(np.arange(table.num_rows), last.column("__position_max").to_numpy())
    if len(keys) == 1:
        kept |= table.column(keys[0]).is_null().to_numpy()
    return table.filter(pa.array(kept))


def _numbers(table: pa.Table, name: str) -> Floats:
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)
