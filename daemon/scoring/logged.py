"""What the prediction log keeps of a scored file: a share of its rows, as it keeps of live traffic, and never many."""

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from daemon.reading.answered_rows import CLASS, DRAWN, MICROS
from daemon.reading.digest import file_digest
from daemon.reading.forgotten import without
from daemon.reading.marks import Marks
from daemon.reading.operations import LoggedRows
from daemon.scoring.answers import Answered, ids_of
from daemon.server.prediction_log import LONGEST_TEXT, SALT
from daemon.server.sticky import position
from drift.columns.casts import TYPES
from retrain import durable
from retrain.records.schema import Schema
from retrain.rows.cells import word

MOST_ROWS, MOST_CELLS = 100_000, 10_000_000
"""Of one file, from all over it: enough for any check, and what a data file of live traffic may have a fifth of; fewer
rows of many columns."""


@dataclass
class LoggedSample:
    """Chooses rows of the batches of a file: by `share` as the log does, by their ids, or by counting those
    without one; of more than
    twice `most_rows` every other one goes, again and again."""

    schema: Schema
    version: str
    share: float
    now: float
    forgotten: Marks | None = None
    _tables: list[pa.Table] = field(default_factory=list)
    _step: int = 1
    _nameless: int = 0
    _rows: int = 0

    @property
    def most_rows(self) -> int:
        """What is kept of one file."""
        return max(1, min(MOST_ROWS, MOST_CELLS // max(1, len(self.schema.features))))

    def forget(self) -> None:
        """Begin anew."""
        self._tables, self._step, self._nameless, self._rows = [], 1, 0, 0

    def add(self, answered: Answered) -> None:
        """Keep some rows of a batch."""
        if not self.share:
            return
        ids = _ids(answered, self.schema)
        chosen = self._chosen(ids, len(answered.predictions))
        if not len(chosen):
            return
        called = {str(self.schema.id_column): "__id"}
        table = without(self._table(answered, ids, pa.array(chosen)), self.forgotten, called)
        if not table.num_rows:
            return
        self._tables.append(table)
        self._rows += table.num_rows
        if self._rows > 2 * self.most_rows:
            whole = pa.concat_tables(self._tables)
            self._tables = [whole.take(pa.array(np.arange(0, whole.num_rows, 2)))]
            self._rows, self._step = self._tables[0].num_rows, 2 * self._step

    def write(self, work: Path) -> LoggedRows | None:
        """The rows as a file of the log; None where there are none."""
        if not self._tables:
            return None
        whole = pa.concat_tables(self._tables, promote_options="default")
        if whole.num_rows > self.most_rows:
            whole = whole.take(pa.array(np.linspace(0, whole.num_rows - 1, self.most_rows).astype(np.int64)))
        path = work / f"{uuid.uuid4().hex}.log.parquet"
        durable.crash_point("score.logged.before_write")
        pq.write_table(whole, path, compression="zstd")
        size, rows = path.stat().st_size, whole.num_rows
        return LoggedRows(
            path=path, digest=file_digest(path), rows=rows, answers=rows, bytes=size, first_time=self.now,
            last_time=self.now,
        )  # fmt: skip

    def _chosen(self, ids: list[Any] | None, count: int) -> NDArray[np.int64]:
        """Which of so many more rows are kept."""
        if self.share >= 1:
            places = np.arange(count)
        else:
            nameless = range(count) if ids is None else [at for at, key in enumerate(ids) if key is None]
            upto = np.floor(np.arange(self._nameless, self._nameless + len(nameless) + 1) * self.share)
            self._nameless += len(nameless)
            named = [at for at, key in enumerate(ids or ()) if key is not None and position(SALT, key) < self.share]
            places = np.sort(np.concatenate((np.array(nameless, np.int64)[np.diff(upto) > 0], named))).astype(np.int64)
        return np.asarray(places[:: self._step], dtype=np.int64)

    def _table(self, answered: Answered, ids: list[Any] | None, chosen: pa.Array) -> pa.Table:
        """As `daemon.reading.answered_rows: convert` writes them."""
        count, predictions = len(chosen), answered.predictions
        columns: dict[str, Any] = {
            one.name: _plain(answered.features.column(one.name)).cast(TYPES[one.kind]).take(chosen)
            for one in self.schema.features
        }
        columns["__time"] = pa.repeat(round(self.now * 1e6), count).cast(pa.int64()).cast(MICROS)
        columns["__id"] = pa.nulls(count, pa.string()) if ids is None else pa.array(ids, pa.string()).take(chosen)
        columns |= {"__version": pa.repeat(self.version, count), "__role": pa.repeat("answer", count)}
        columns["__prediction"] = pa.array(predictions.values).take(chosen)
        if predictions.probabilities is not None:
            for name, column in zip(predictions.classes or (), predictions.probabilities.T, strict=True):
                columns[f"{CLASS}{name}"] = pa.array(np.ascontiguousarray(column)).take(chosen)
        if (drawn := answered.explored) is not None:
            values = {
                "explored": drawn.rows, "greedy": drawn.greedy, "propensity": drawn.propensity,
                "explore_share": np.full(len(predictions), drawn.share),
            }  # fmt: skip
            columns |= {f"__{key}": pa.array(values[key], kind).take(chosen) for key, kind in DRAWN.items()}
        return _without_long_texts(pa.table(columns))


def _ids(answered: Answered, schema: Schema) -> list[str | None] | None:
    """The rows' ids as texts; None where the file or the model has none."""
    ids = ids_of(answered.own, schema)
    return None if ids is None else [None if key is None or key != key else word(key) for key in ids]


def _without_long_texts(table: pa.Table) -> pa.Table:
    """Rows with a longer category than the log keeps are left out, as of live traffic."""
    for name in table.column_names:
        if pa.types.is_string(table.column(name).type):
            lengths = pc.fill_null(pc.utf8_length(table.column(name)), 0)
            if pc.any(pc.greater(lengths, LONGEST_TEXT)).as_py():
                table = table.filter(pc.less_equal(pc.fill_null(pc.utf8_length(table.column(name)), 0), LONGEST_TEXT))
    return table


def _plain(column: Any) -> Any:
    whole = column.combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    return whole.dictionary_decode() if pa.types.is_dictionary(whole.type) else whole
