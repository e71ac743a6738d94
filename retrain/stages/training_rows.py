"""What the prepare stage decides alike of rows that are in memory and of rows that are known piece by piece: what the
champion knew, which classes are learned, and what is told."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from retrain import durable
from retrain.operations import AcceptedFile, PreparedRows
from retrain.records.errors import Refused
from retrain.records.predictions import Floats
from retrain.records.schema import Schema
from retrain.records.settings import WindowSettings
from retrain.rows.batches import in_window, newest_of
from retrain.rows.seen import was_seen
from retrain.rows.window import ages

MIN_CLASS_ROWS = 2


def in_batches(
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


def known_to_champion(
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


def of_before(
    champion: Mapping[str, Any] | None, files: Sequence[AcceptedFile], sequence: NDArray[np.int64]
) -> NDArray[np.bool_] | None:
    """Which rows (n,) are of files that the champion trained on or held out; None without one."""
    if champion is None:
        return None
    known = {*champion["snapshots"], *champion["prepare"].get("reserved_snapshots", ())}
    return np.isin(sequence, [file.seq for file in files if file.digest in known])


def learnable_classes(counts: Mapping[str, int], notes: list[str]) -> set[str]:
    """The classes of which there are enough training rows, by the rows of each; Refused where that is one alone."""
    rare = sorted(name for name, count in counts.items() if count < MIN_CLASS_ROWS)
    if rare:
        notes.append(f"class {', '.join(map(repr, rare[:5]))} has a single training row, which was left out")
    if len(counts) - len(rare) < 2:
        names = sorted(set(counts) - set(rare)) or sorted(counts)
        raise Refused(f"the training rows have one class only: {names}", "drop files with the other classes")
    return set(counts) - set(rare)


def note_new_classes(train: set[str], holdout: set[str], champion: Mapping[str, Any] | None, notes: list[str]) -> None:
    """Note classes that only held-out rows have, and those that the champion did not know."""
    only = sorted(holdout - train)
    if only:
        notes.append(f"class {', '.join(map(repr, only[:5]))} occurs in held-out rows only: it cannot be predicted yet")
    if champion is not None:
        known = set(champion["classes"] or ())
        fresh = sorted(train - known)
        if fresh:
            notes.append(f"class {', '.join(map(repr, fresh[:5]))} is new to the champion")


class Parts(Protocol):
    """What a split says of its parts (see `retrain.rows.window: Split`)."""

    @property
    def cut(self) -> float: ...
    @property
    def description(self) -> str: ...
    @property
    def held_out(self) -> str: ...


def result_rows(
    files: Sequence[AcceptedFile],
    schema: Schema,
    used: Collection[int],
    held: Collection[int],
    reserved: Collection[int],
    seen: dict[str, str],
    parts: Parts,
    known: int,
    notes: list[str],
) -> PreparedRows:
    """The stage's result without counts of rows; files that trained (`used`), were held out or
    reserved by their seq."""

    def digests(seqs: Collection[int]) -> list[str]:
        return [file.digest for file in files if file.seq in seqs]

    return PreparedRows(
        known_rows=known,
        snapshots=digests(used),
        holdout_snapshots=digests(held),
        reserved_snapshots=digests(reserved),
        seen=seen,
        cut=parts.cut,
        cut_time=parts.cut if schema.time_column is not None else None,
        window=parts.description,
        held_out=parts.held_out,
        notes=notes,
    )


def write_rows(table: pa.Table, path: Path, point: str) -> None:
    """Publish prepared rows as a file; `point` names the moments at which tests kill."""
    temporary = path.with_name(f".{path.name}.tmp")
    durable.crash_point(f"{point}.before_write")
    pq.write_table(table, temporary, compression="lz4")
    durable.publish_file(temporary, path, point)
