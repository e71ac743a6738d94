"""The rows of a file to be scored, a batch at a time: each with all columns of the file, whatever the model reads."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from daemon.reading import csv, json_lines
from daemon.reading.batches import batches
from daemon.reading.blame import reading
from daemon.reading.formats import OpenedFile, first_bytes
from daemon.reading.header import refuse_alike
from daemon.reading.rejects import Rejects, Share
from daemon.reading.sql import connect, plain_path
from retrain.records.errors import Refused

BATCH_ROWS, CELLS = 8_192, 1_000_000
"""Rows that are held at once, fewer of many columns: a few times their bytes, whatever the file has."""
LONGEST_AT_ONCE = 2 * 2**20
"""Bytes of a line: a CSV with a longer one is read in pieces, which is slower, and takes less memory than a reader for
such lines."""
SAMPLE_BYTES = 2**20
"""So much of a text tells how long its lines are."""
BATCH_BYTES = 32 * 2**20
"""Of rows at once: their answers and what is written of them take a few times as much."""
ROW, LINE, IS_OBJECT = "__row", "__line", "__is_object"


@dataclass(frozen=True)
class RawBatch:
    """Rows of a file: `columns` as the file has them, texts where it is a text; `lines` (n,) where each begins (of a
    Parquet file its row, from 1); `objects`, of JSON, each row's own object as a text."""

    columns: pa.RecordBatch
    lines: NDArray[np.int64]
    objects: Any = None


class _SetAsideError(Exception):
    """A row is set aside, and where a value has lines of its own, only pieces tell the line that it begins in."""


Use = Callable[[Iterator[RawBatch], Rejects], None]


def read_rows(file: OpenedFile, missing: Sequence[str], work: Path, use: Use) -> None:
    """Have `use` go through the rows of the file once more than it may give up: a CSV is first read as one whose rows
    are all alike; where a later one is not, or cannot be answered, `use` is called again from the beginning, and the
    rows that cannot be read are among the rejects. Words that are `missing` values in a CSV are null. Refused where the
    file cannot be read."""
    refuse_twice(file.names)
    if file.kind.format == "parquet":
        rejects = Rejects(BATCH_ROWS * CELLS)
        use(_of_parquet(file, rejects), rejects)
        return
    refuse_alike(file.names)
    if file.kind.format == "csv":
        _of_csv(file, missing, work, use)
    else:
        rejects = Rejects(BATCH_ROWS * CELLS)
        with reading(json_lines.FAILURE[file.kind.format]):
            use(_parts(_of_json(file)), rejects)


def expected_rows(file: OpenedFile) -> int:
    """About how many rows the file has: exact of Parquet, by the length of its first lines of a plain text, else 0."""
    if file.kind.format == "parquet":
        with reading("cannot be read as Parquet"):
            return int(pq.read_metadata(file.path).num_rows)
    if file.kind.compression != "none":
        return 0
    begin = first_bytes(file.path, file.kind, SAMPLE_BYTES)
    return int(file.path.stat().st_size * max(1, begin.count(b"\n")) / max(1, len(begin)))


def refuse_twice(names: Sequence[str]) -> None:
    """Refused where two columns have one name, or one has a name that is needed here."""
    needed = [name for name in names if name in (ROW, LINE, IS_OBJECT)]
    if needed:
        raise Refused(f"a column is named {needed[0]!r}, which driftd needs itself", "expected another name")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise Refused(f"two columns are named {twice[0]!r}", "expected each name once")


def refuse_nested(file: OpenedFile) -> None:
    """Refused where a column of a Parquet file holds lists or structures: a few kilobytes of them may stand for
    gigabytes, and nothing bounds how many values a row has."""
    if file.kind.format != "parquet":
        return
    query, path = "SELECT DISTINCT path_in_schema FROM parquet_metadata(?) ORDER BY 1", plain_path(file.path)
    with reading("cannot be read as Parquet"):
        leaves = [row[0] for row in connect().execute(query, [path]).fetchall()]
    nested = [name for name in leaves if name not in set(file.names)]
    if nested:
        reason = f"column {nested[0].partition(', ')[0]!r} holds lists or structures"
        raise Refused(reason, "leave it out, or score the file by `driftd predict`")


def _rows_at_once(file: OpenedFile) -> int:
    """As many as have BATCH_BYTES where all are as long as those at the beginning of a text."""
    longest = 1
    if file.kind.format != "parquet":
        begin = first_bytes(file.path, file.kind, SAMPLE_BYTES)
        longest = max(1, len(begin) // max(1, begin.count(b"\n")))
    return max(1, min(BATCH_ROWS, CELLS // max(1, len(file.names)), BATCH_BYTES // longest))


def _parts(batches: Iterator[RawBatch]) -> Iterator[RawBatch]:
    """Batches of texts, halved until they have BATCH_BYTES at most, for rows that are longer than those at the
    beginning."""
    for batch in batches:
        rows, size = batch.columns.num_rows, batch.columns.nbytes
        size += 0 if batch.objects is None else batch.objects.nbytes
        if rows < 2 or size <= BATCH_BYTES:
            yield batch
        else:
            yield from _parts(iter((_slice(batch, 0, rows // 2), _slice(batch, rows // 2, rows))))


def _slice(batch: RawBatch, start: int, end: int) -> RawBatch:
    objects = None if batch.objects is None else batch.objects.slice(start, end - start)
    return RawBatch(batch.columns.slice(start, end - start), batch.lines[start:end], objects)


def _of_parquet(file: OpenedFile, rejects: Rejects) -> Iterator[RawBatch]:
    most = _rows_at_once(file)
    with reading("cannot be read as Parquet"):
        for part in batches(file.path, file.names, rejects, most):
            lines = part.column("__row").to_numpy(zero_copy_only=False)
            yield RawBatch(part.select([name for name in file.names if name in part.schema.names]), lines)


def _of_csv(file: OpenedFile, missing: Sequence[str], work: Path, use: Use) -> None:
    texts, most = dict.fromkeys(file.names, "VARCHAR"), _rows_at_once(file)

    def at_once(reader: str) -> None:
        rejects, line = Rejects(BATCH_ROWS * CELLS), file.skipped + 2

        def alike() -> Iterator[RawBatch]:
            nonlocal line
            for batch in csv.all_rows(reader, len(file.names), most):
                yield RawBatch(batch, np.arange(line, line + batch.num_rows))
                line += batch.num_rows
                if rejects.count:
                    raise _SetAsideError

        use(_parts(alike()), rejects)

    with contextlib.suppress(_SetAsideError):
        if csv.all_fit(file, texts, missing, at_once, LONGEST_AT_ONCE):
            return
    rejects = Rejects(BATCH_ROWS * CELLS)

    def fitting() -> Iterator[RawBatch]:
        for table, piece in csv.in_pieces(file, ["*"], work / "piece.csv", missing, rejects, Share(1.0)):
            place = 0
            for batch in table.to_batches(most):
                yield RawBatch(batch, piece.lines[place : place + batch.num_rows])
                place += batch.num_rows

    use(_parts(fitting()), rejects)


def _of_json(file: OpenedFile) -> Iterator[RawBatch]:
    query = json_lines.rows_of(file, file.names, LINE, IS_OBJECT)
    most = _rows_at_once(file)
    for batch in connect(len(file.names)).sql(query).to_arrow_reader(most):
        lines = batch.column("__row").to_numpy(zero_copy_only=False)
        columns, objects = batch.select([*file.names, IS_OBJECT]), batch.column(LINE)
        if file.kind.format == "json":  # of one object's own lines; within a value they are escaped
            objects = pc.replace_substring_regex(objects, r"[\r\n]+", " ")
        yield RawBatch(columns, lines, objects)
