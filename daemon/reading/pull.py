"""New rows of a database as one Parquet file: read in the order of their watermark and written as they come, whatever
their number.

Beside the rows lie their digests: rows that are read once more, since late ones may be among them, are known by these.
A row that is there twice was there twice: so many of equal ones are left out as were pulled."""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sqlalchemy import Connection

from daemon.config.paths import ROWS, SEEN
from daemon.reading.database import new_rows, reading_session
from daemon.reading.operations import PullRequest, PullResult
from daemon.reading.value_types import POSTGRESQL, as_array, united
from daemon.reading.watermark import Watermark, from_json, kind_of, lowered, to_json
from retrain.records.errors import Refused
from retrain.records.settings import SourceSettings

FETCH_ROWS = 5_000
GROUP_ROWS = 100_000
DIGEST = np.dtype("S16")


def pull(request: PullRequest) -> PullResult:
    """The operation: at most `max_rows` rows that were not pulled before."""
    source = request.settings.source
    assert source is not None, "asked for models with a source"
    shutil.rmtree(request.work, ignore_errors=True)
    request.work.mkdir(parents=True)
    after = None if request.after is None else from_json(request.after)
    above = None if request.above is None else from_json(request.above)
    with reading_session(request.url, request.folder, source.timeout) as connection:
        rows = _Pulled(connection, source, after, above)
        with (request.work / SEEN).open("wb") as seen, _Parts(request.work / "parts.arrow") as parts:
            for batch in rows.batches(_Known(request.seen)):
                parts.add([list(column) for column in zip(*batch, strict=True)])
                seen.write(b"".join(rows.digest(row) for row in batch))
            if parts.rows:
                parts.write(request.work / ROWS, rows.names, rows.declared)
    (request.work / "parts.arrow").unlink()
    newest = None if rows.newest is None else to_json(rows.newest)
    return PullResult(rows=parts.rows, watermark=newest, more=rows.more)


class _Known:
    """Which rows were pulled before, and how often, by their digests; 16 bytes for each."""

    def __init__(self, seen: Sequence[Path]) -> None:
        all_ = np.concatenate([np.fromfile(path, DIGEST) for path in seen]) if seen else np.empty(0, DIGEST)
        self._digests, self._left = np.unique(all_, return_counts=True)

    def unknown(self, digests: Sequence[bytes]) -> Iterator[int]:
        """The places of those that were not pulled, or not as often."""
        if not len(self._digests):
            yield from range(len(digests))
            return
        asked: NDArray[np.bytes_] = np.frombuffer(b"".join(digests), DIGEST)
        places = np.minimum(np.searchsorted(self._digests, asked), len(self._digests) - 1)
        found = self._digests[places] == asked
        for place, (known, is_found) in enumerate(zip(places.tolist(), found.tolist(), strict=True)):
            if is_found and self._left[known]:
                self._left[known] -= 1
            else:
                yield place


class _Pulled:
    """The rows of one pull: `newest` is the last watermark that was looked at, `more`: there may be more rows."""

    def __init__(
        self, connection: Connection, source: SourceSettings, after: Watermark | None, above: Watermark | None
    ) -> None:
        self._source, self._kind = source, None if after is None else kind_of(after)
        self.newest: Watermark | None = None
        self.more = False
        low = None if after is None else lowered(after, source.overlap)
        asked = new_rows(source.query, source.watermark, low, above)
        self._result = connection.execution_options(stream_results=True, max_row_buffer=FETCH_ROWS).execute(asked)
        self.names = list(self._result.keys())
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise Refused(f"the query has two columns {twice[0]!r}", f"name them apart: {twice[0]} AS …")
        self._identity = [self._place(name) for name in (source.key, source.watermark) if source.key and name]
        self._mark = self._place(source.watermark)
        is_typed = connection.dialect.name == "postgresql"
        cursor: Any = self._result.cursor
        self.declared = [POSTGRESQL.get(one[1]) if is_typed else None for one in cursor.description]

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise Refused(f"the query has no column {name!r}", f"it has {', '.join(self.names)}")
        return self.names.index(name)

    def digest(self, row: Sequence[Any]) -> bytes:
        """By which a row is known again, 16 bytes."""
        told = tuple(row[place] for place in self._identity) if self._identity else tuple(row)
        return hashlib.blake2b(repr(told).encode("utf-8", "surrogatepass"), digest_size=DIGEST.itemsize).digest()

    def batches(self, known: _Known) -> Iterator[list[Sequence[Any]]]:
        """Rows that were not pulled before, some at a time, at most `max_rows` in all."""
        left = self._source.max_rows
        for fetched in self._result.partitions(FETCH_ROWS):
            rows = [tuple(row) for row in fetched]
            new = list(known.unknown([self.digest(row) for row in rows]))
            if len(new) > left:
                rows, new, self.more = rows[: new[left]], new[:left], True
            if rows:
                self._look_at([row[self._mark] for row in rows])
            if new:
                yield [rows[place] for place in new]
            left -= len(new)
            if self.more:
                return

    def _look_at(self, marks: Sequence[Any]) -> None:
        """Refused where watermarks have no order, or another than before."""
        for mark in (marks[0], marks[-1]):
            name, kind = self._source.watermark, kind_of(mark)
            if kind is None:
                way_out = "take a column of times, dates or numbers; text is one where it is like 2026-01-31T10:00:00"
                raise Refused(f"watermark {name!r} is {type(mark).__name__}, which has no order", way_out)
            if self._kind is not None and kind != self._kind:
                way_out = f"name it otherwise in the query, as {name} AS {name}_2, to begin anew"
                raise Refused(f"watermark {name!r} was a {self._kind}, and is a {kind} now", way_out)
            self._kind = kind
        self.newest = marks[-1]


class _Parts:
    """Rows on their way: each part has the types of its own values; the file has those that hold all parts."""

    def __init__(self, path: Path) -> None:
        self._path, self.rows = path, 0
        self._types: list[Any] = []

    def __enter__(self) -> "_Parts":
        self._sink = pa.OSFile(str(self._path), "wb")
        return self

    def __exit__(self, *_: object) -> None:
        self._sink.close()

    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        """A part of the rows, by column."""
        arrays = [as_array(values) for values in columns]
        types = [one.type for one in arrays]
        self._types = [united(*pair) for pair in zip(self._types, types, strict=True)] if self._types else types
        batch = pa.record_batch(arrays, names=list(map(str, range(len(arrays)))))
        with pa.ipc.new_stream(self._sink, batch.schema) as writer:
            writer.write_batch(batch)
        self.rows += batch.num_rows

    def write(self, path: Path, names: Sequence[str], declared: Sequence[Any]) -> None:
        """All parts as one Parquet file."""
        self._sink.flush()
        types = [
            (told or pa.string()) if pa.types.is_null(kind) else kind
            for kind, told in zip(self._types, declared, strict=True)
        ]
        schema, group, size = pa.schema(list(zip(names, types, strict=True))), list[Any](), 0
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in self._read():
                columns = [column.cast(kind) for column, kind in zip(batch.columns, types, strict=True)]
                group.append(pa.record_batch(columns, schema=schema))
                size += batch.num_rows
                if size >= GROUP_ROWS:
                    writer.write_table(pa.Table.from_batches(group))
                    group, size = [], 0
            if group:
                writer.write_table(pa.Table.from_batches(group))

    def _read(self) -> Iterator[Any]:
        with pa.OSFile(str(self._path), "rb") as source:
            while source.tell() < source.size():
                with pa.ipc.open_stream(source) as reader:
                    yield from reader
