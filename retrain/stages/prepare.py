"""The prepare stage: snapshots to training rows and held-out rows, oldest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec.structs import asdict, replace
from numpy.typing import NDArray

from drift.columns.casts import TYPES
from drift.notation import counted
from retrain import durable
from retrain.labels.propensity import COLUMNS
from retrain.operations import AcceptedFile, PreparedRows, PrepareRequest, PrepareResult
from retrain.records.errors import Refused
from retrain.records.predictions import Floats
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings, WindowSettings
from retrain.rows.answered import AnsweredRows
from retrain.rows.batches import in_window, newest_of
from retrain.rows.duplicates import repeated_rows
from retrain.rows.event_times import event_times
from retrain.rows.held_out import NEWEST_FILES, in_reservoir
from retrain.rows.history import believed_labels, read_snapshot
from retrain.rows.pools import pool_of_each, step_of_each
from retrain.rows.retype import changed_kinds, conform
from retrain.rows.seen import seen_rows, was_seen
from retrain.rows.settled import Settling
from retrain.rows.targets import class_column
from retrain.rows.window import Split, ages, split
from retrain.rows.window_reach import chosen_window
from retrain.store.versions import undamaged

MIN_CLASS_ROWS = 2


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
    done = prepare_rows(request.files, request.schema, request.settings, training, request.window, request.now)
    rows = replace(done.rows, known_rows=done.rows.known_rows + request.rows_before)
    train, holdout = work / "train.parquet", work / "holdout.parquet"
    _write(done.train, train, "prepare.train")
    _write(done.holdout, holdout, "prepare.holdout")
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
    seen = _known_to_champion(champion, files, times, sequence, table.column("__row").to_numpy(), reserved)
    chosen = chosen_window(settings.window, window)
    lengths = {file.seq: file.rows for file in files}
    pools, steps = pool_of_each(sequence, lengths), step_of_each(sequence, lengths)
    age = ages(steps)
    if settings.window.kind == "auto":
        chosen, age = _in_batches(chosen, pools, steps, sequence, lengths)
    parts = split(times, pools, seen, reserved, chosen, champion is None, age, _of_before(champion, files, sequence))
    table = table.append_column("__weight", pa.array(parts.weight)).drop_columns(["__reserved"])
    train, holdout = table.filter(pa.array(parts.train)), table.filter(pa.array(parts.holdout))
    train = learnable(train, schema, notes)
    _note_new_classes(train, holdout, champion, schema, notes)
    return Prepared(train, holdout, _summary(files, schema, parts, table, pools, train, holdout, notes))


def _in_batches(
    window: WindowSettings,
    pools: NDArray[np.int64],
    steps: NDArray[np.int64],
    sequence: NDArray[np.int64],
    lengths: Mapping[int, int],
) -> tuple[WindowSettings, Floats]:
    """The planner's choice of a window, and the age of each of n rows, where long files count as several (see
    `retrain.rows.batches`); `lengths` are the rows of each file."""
    if window.kind == "files":
        files = newest_of(list(_lengths(pools, sequence, lengths).values()), window.files or 1)
        window = window.model_copy(update={"files": files})
    return window, ages(steps, {seq: in_window(rows) for seq, rows in _lengths(steps, sequence, lengths).items()})


def _lengths(groups: NDArray[np.int64], sequence: NDArray[np.int64], lengths: Mapping[int, int]) -> dict[int, int]:
    """The rows of the files that are one group, by its number, oldest first; `groups` and files of n rows."""
    found: dict[int, int] = {}
    for group, seq in np.unique(np.column_stack([groups, sequence]), axis=0).tolist():
        found[group] = found.get(group, 0) + lengths[seq]
    return found


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

    def digests(seqs: set[int]) -> list[str]:
        return [file.digest for file in files if file.seq in seqs]

    return PreparedRows(
        train_rows=train.num_rows,
        holdout_rows=holdout.num_rows,
        known_rows=len(sequence),
        snapshots=digests(used),
        holdout_snapshots=digests(held),
        reserved_snapshots=digests(reserved),
        seen=seen_rows(files, used, sequence, table.column("__row").to_numpy()),
        cut=parts.cut,
        cut_time=parts.cut if schema.time_column is not None else None,
        window=parts.description,
        held_out=parts.held_out,
        notes=notes,
    )


def _collect(files: Sequence[AcceptedFile], schema: Schema, settling: Settling, notes: list[str]) -> pa.Table:
    """All rows of all files with a label that may be believed, with their origin and event time. A file's other rows
    are let go of before the next one is read: of live traffic few may ever have one."""
    of_rows = [file for file in files if file.kind == "rows"]
    if not of_rows:
        raise Refused("there are no rows to train on", "drop labelled files into the data folder")
    label_files = 0 if schema.id_column is None else len(files) - len(of_rows)
    answered = AnsweredRows(files, settling, schema, lambda one, names: read_snapshot(one.snapshot, names))
    tables, joined, unlabelled, withheld, unsettled = [], 0, 0, 0, 0
    for file in of_rows:
        table = _with_origin(read_snapshot(file.snapshot), file, schema, notes)
        table, found, unknown = believed_labels(table, file, settling, schema)
        table = answered.weighted(table, file, np.asarray(found.believed.is_valid()))
        kept = _labelled(table.select([name for name in table.column_names if name not in COLUMNS]), schema)
        joined, withheld = joined + found.late, withheld + unknown
        waiting = int((found.labelled & ~np.asarray(found.believed.is_valid())).sum())
        unsettled += waiting
        unlabelled += table.num_rows - kept.num_rows - unknown - waiting
        if kept.num_rows:
            tables.append(kept)
    if label_files:
        notes.append(f"{counted(joined, 'row')} got their label from {counted(label_files, 'file')} of labels")
    if withheld:
        names = ", ".join(map(repr, of_rows[0].withheld[:5]))
        notes.append(
            f"{counted(withheld, 'row')} of classes that do not count ({names}) were left out: `driftd status` says why"
        )
    if unsettled:
        notes.append(
            f"{counted(unsettled, 'row')} whose label may not be believed yet were left out: `driftd status` says why"
        )
    if unlabelled:
        notes.append(f"{counted(unlabelled, 'row')} without a label were left out")
    if not tables:
        raise Refused("no row has a label that may be believed", "drop labelled files into the data folder")
    return pa.concat_tables(tables, promote_options="permissive")


def _with_origin(table: pa.Table, file: AcceptedFile, schema: Schema, notes: list[str]) -> pa.Table:
    present = set(table.column_names)
    lacking = [c.name for c in schema.columns if c.name not in present]
    if lacking:
        notes.append(f"file {file.seq} has no {', '.join(lacking)}: missing in its rows")
    other = changed_kinds(table, schema)
    if other:
        notes.append(f"file {file.seq} has {', '.join(other)} of another kind: what does not fit is missing")
    table = conform(table, schema)
    for column in schema.features:
        if column.name not in present:
            table = table.append_column(column.name, pa.nulls(table.num_rows, TYPES[column.kind]))
    names = [c.name for c in schema.columns if c.name in table.column_names]
    names += [name for name in COLUMNS if name in table.column_names]
    rows = table.num_rows
    times = _event_times(table, file, schema)
    return (
        table.select([*names, "__row"])
        .append_column("__seq", pa.array(np.full(rows, file.seq, dtype=np.int64)))
        .append_column("__time", pa.array(times))
        .append_column("__reserved", pa.array(in_reservoir(table.column("__row").to_numpy(), file.place)))
    )


def _event_times(table: pa.Table, file: AcceptedFile, schema: Schema) -> Floats:
    """Event times as Unix seconds; without a time column the order of arrival: the file's number and the row's share of
    the file."""
    if schema.time_column is not None and schema.time_column in table.column_names:
        return event_times(table, file, schema)
    rows = table.num_rows
    order: Floats = file.seq + np.arange(rows) / max(1, rows)
    return order


def _labelled(table: pa.Table, schema: Schema) -> pa.Table:
    if schema.target not in table.column_names:
        return table.slice(0, 0)
    target = table.column(schema.target)
    good = target.is_valid()
    if schema.task == "regression":
        good = pc.and_(good, pc.fill_null(pc.is_finite(pc.cast(target, pa.float64(), safe=False)), False))
    return table.filter(good)


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


def _known_to_champion(
    champion: Mapping[str, Any] | None,
    files: Sequence[AcceptedFile],
    times: Floats,
    sequence: NDArray[np.int64],
    numbers: NDArray[np.int64],
    reserved: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which rows the champion was trained on, of n with their files, their numbers in these and whether they are of
    the reservoir, each (n,)."""
    if champion is None:
        return np.zeros(len(times), dtype=bool)
    prepared, trained = champion["prepare"], set(champion["snapshots"])
    in_training = np.isin(sequence, [f.seq for f in files if f.digest in trained])
    if "reserved_snapshots" not in prepared:
        return np.asarray(in_training & (times <= prepared["cut"]))
    held = np.isin(sequence, [f.seq for f in files if f.digest in set(prepared["reserved_snapshots"])])
    for file in files:
        if file.digest in (prepared.get("seen") or {}):
            of_file = sequence == file.seq
            in_training[of_file] &= was_seen(prepared["seen"][file.digest], numbers[of_file])
    return np.asarray(in_training & ~(held & reserved))


def _of_before(
    champion: Mapping[str, Any] | None, files: Sequence[AcceptedFile], sequence: NDArray[np.int64]
) -> NDArray[np.bool_] | None:
    """Which rows (n,) are of files that the champion trained on or held out; None without one."""
    if champion is None:
        return None
    known = {*champion["snapshots"], *champion["prepare"].get("reserved_snapshots", ())}
    return np.isin(sequence, [file.seq for file in files if file.digest in known])


def learnable(train: pa.Table, schema: Schema, notes: list[str]) -> pa.Table:
    """Training rows without the classes of fewer than two rows: nothing can be learned from one."""
    if schema.task != "classification":
        return train
    words = class_column(train.column(schema.target))
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(words).to_pylist()}
    rare = sorted(name for name, count in counts.items() if count < MIN_CLASS_ROWS)
    if rare:
        notes.append(f"class {', '.join(map(repr, rare[:5]))} has a single training row, which was left out")
        train = train.filter(pc.invert(pc.is_in(words, value_set=pa.array(rare, pa.string()))))
    if len(counts) - len(rare) < 2:
        names = sorted(set(counts) - set(rare)) or sorted(counts)
        raise Refused(f"the training rows have one class only: {names}", "drop files with the other classes")
    return train


def _note_new_classes(
    train: pa.Table, holdout: pa.Table, champion: Mapping[str, Any] | None, schema: Schema, notes: list[str]
) -> None:
    if schema.task != "classification":
        return
    names = {part: set(pc.unique(class_column(t.column(schema.target))).to_pylist()) for part, t in
             (("train", train), ("holdout", holdout))}  # fmt: skip
    only = sorted(names["holdout"] - names["train"])
    if only:
        notes.append(f"class {', '.join(map(repr, only[:5]))} occurs in held-out rows only: it cannot be predicted yet")
    if champion is not None:
        known = set(champion["classes"] or ())
        fresh = sorted(names["train"] - known)
        if fresh:
            notes.append(f"class {', '.join(map(repr, fresh[:5]))} is new to the champion")


def _numbers(table: pa.Table, name: str) -> Floats:
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)


def _write(table: pa.Table, path: Path, point: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    durable.crash_point(f"{point}.before_write")
    pq.write_table(table, temporary, compression="lz4")
    durable.publish_file(temporary, path, point)
