"""Any supported data file as a table that is read one column at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from daemon.reading.formats import MISSING, SUFFIXES
from drift import Codes, ColumnValues
from retrain.records.errors import Refused
from retrain.records.settings import ColumnKind
from retrain.rows.columns import column_values, join, open_snapshot

BATCH_ROWS = 131_072
MEMORY_LIMIT = "512MB"
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": MEMORY_LIMIT,
    "preserve_insertion_order": True,
}
EXPRESSIONS: dict[ColumnKind, str] = {
    "number": "TRY_CAST({c} AS DOUBLE)",
    "integer": "TRY_CAST({c} AS DOUBLE)",
    "boolean": "TRY_CAST({c} AS BOOLEAN)",
    "datetime": "epoch_us(TRY_CAST({c} AS TIMESTAMP)) / 1e6",
    "category": "CAST({c} AS VARCHAR)",
}
WIDTHS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
DECLARED: dict[str, ColumnKind] = {
    **dict.fromkeys(("FLOAT", "DOUBLE", "DECIMAL"), "number"),
    **dict.fromkeys((*WIDTHS, *(f"U{width}" for width in WIDTHS)), "integer"),
    **dict.fromkeys(("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "datetime"),
    "BOOLEAN": "boolean",
}


@dataclass
class Table:
    """A Parquet file's columns by name; where it was made from text, kinds are inferred from all values."""

    path: Path
    text: bool
    notes: list[str] = field(default_factory=list)

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(config=OFFLINE)

    @cached_property
    def types(self) -> dict[str, str]:
        """DuckDB's types by column name."""
        rows = self._connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(self.path)]).fetchall()
        return {row[0]: row[1] for row in rows}

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in the file's order."""
        return tuple(self.types)

    @cached_property
    def rows(self) -> int:
        """All rows."""
        return int(self._one("count(*)")[0])

    def kind(self, name: str) -> ColumnKind:
        """By the declared type, or for text by all values: the narrowest kind that every one of them fits."""
        declared = self.types[name]
        known = None if declared.endswith("]") else DECLARED.get(declared.split("(")[0].split(" ")[0])
        if known is not None:
            return known
        return self._text_kind(name) if self.text else "category"

    def chunks(self, name: str, kind: ColumnKind) -> Iterator[ColumnValues]:
        """The column as that kind, a batch of rows at a time; what does not fit it is missing."""
        if not self.text and (self.types[name] == "VARCHAR" or kind in ("number", "integer")):
            with open_snapshot(self.path, (name,) if kind == "category" else ()) as file:
                for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[name]):
                    yield column_values(batch.column(0), kind)
            return
        expression = EXPRESSIONS[kind].format(c=quoted(name))
        if kind == "boolean":
            expression = f"CAST({expression} AS VARCHAR)"
        query = f"SELECT {expression} AS v FROM read_parquet(?)"
        rows = self._connection.cursor().sql(query, params=[str(self.path)])
        reads_as: ColumnKind = "category" if kind in ("boolean", "category") else "number"
        for batch in rows.to_arrow_reader(BATCH_ROWS):
            yield column_values(batch.column(0), reads_as)

    def texts(self, name: str) -> Iterator[Any]:
        """The column as Arrow arrays of text, a batch of rows at a time."""
        query = f"SELECT CAST({quoted(name)} AS VARCHAR) AS v FROM read_parquet(?)"
        rows = self._connection.cursor().sql(query, params=[str(self.path)])
        yield from (batch.column(0) for batch in rows.to_arrow_reader(BATCH_ROWS))

    def thinned(self, name: str, kind: ColumnKind, step: int) -> ColumnValues:
        """Every `step`-th value; copied, so that the rest is not kept with them."""
        pieces: list[ColumnValues] = []
        skip = 0
        for chunk in self.chunks(name, kind):
            if step == 1:
                pieces.append(chunk)
            elif isinstance(chunk, Codes):
                pieces.append(Codes(chunk.codes[skip::step].copy(), chunk.names))
            else:
                pieces.append(chunk[skip::step].copy())
            skip = (skip - (len(chunk.codes) if isinstance(chunk, Codes) else len(chunk))) % step
        if pieces:
            return join(pieces)
        return Codes(np.zeros(0, dtype=np.int64), ()) if kind in ("boolean", "category") else np.zeros(0)

    def values(self, name: str, kind: ColumnKind) -> ColumnValues:
        """The whole column."""
        return self.thinned(name, kind, 1)

    def words(self, name: str, most: int) -> list[str | None]:
        """At most so many texts of a column, from all over it."""
        step = max(1, -(-self.rows // most))
        found = self._query(
            f"SELECT CAST({quoted(name)} AS VARCHAR) FROM read_parquet(?, file_row_number = true) "
            f"WHERE file_row_number % {step} = 0"
        ).fetchall()
        return [row[0] for row in found]

    def note_misfits(self, name: str, kind: ColumnKind) -> None:
        """Say how many values are not of that kind."""
        if self.types[name] != "VARCHAR" or kind == "category":
            return
        present, fit = self._one(f"count({quoted(name)}), count({EXPRESSIONS[kind].format(c=quoted(name))})")
        if fit < present:
            self.notes.append(f"{present - fit} values of {name} are no {kind}; they count as missing")

    def _text_kind(self, name: str) -> ColumnKind:
        column = quoted(name)
        tried: dict[ColumnKind, str] = {
            "number": "TRY_CAST({c} AS DOUBLE)",
            "boolean": "CASE WHEN lower({c}) IN ('true', 'false') THEN 1 END",
            "datetime": "TRY_CAST({c} AS TIMESTAMP)",
        }
        counts = ", ".join(f"count({expression.format(c=column)})" for expression in tried.values())
        present, *fitting = self._one(f"count({column}), {counts}")
        kinds = [kind for kind, fit in zip(tried, fitting, strict=True) if present and fit == present]
        return kinds[0] if kinds else "category"

    def _one(self, expressions: str) -> Any:
        return self._query(f"SELECT {expressions} FROM read_parquet(?)").fetchone()

    def _query(self, sql: str) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(sql, [str(self.path)])


def open_table(path: Path, converted: Path) -> Table:
    """The file as a table; text formats are first rewritten as the Parquet file `converted`."""
    name = path.name.lower()
    for suffix in (".gz", ".zst"):
        name = name.removesuffix(suffix)
    if not path.is_file():
        raise Refused(f"{path}: {'a folder' if path.is_dir() else 'no such file'}")
    if not name.endswith(tuple(SUFFIXES)):
        raise Refused(f"{path}: unknown format", "expected .csv, .csv.gz, .csv.zst, .parquet or .jsonl")
    if not path.stat().st_size:
        raise Refused(f"{path}: the file is empty")
    try:
        if name.endswith((".parquet", ".pq")):
            table = Table(path, text=False)
        elif name.endswith((".jsonl", ".ndjson")):
            table = _converted("read_json(?, format = 'newline_delimited')", path, converted, text=False)
        else:
            table = _converted_csv(path, converted)
        if table.rows == 0:
            table.notes.append(f"{path} has no rows")
    except duckdb.Error as error:
        raise Refused(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    return table


def quoted(name: str) -> str:
    """A column name as an SQL identifier.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def _converted_csv(path: Path, converted: Path) -> Table:
    words = ", ".join("'" + word + "'" for word in MISSING)
    reader = f"read_csv(?, all_varchar = true, header = true, nullstr = [{words}], store_rejects = true)"
    return _converted(reader, path, converted, text=True)


def _converted(reader: str, path: Path, converted: Path, text: bool) -> Table:
    table = Table(converted, text)
    target = str(converted).replace("'", "''")
    connection = table._connection
    copy = f"COPY (SELECT * FROM {reader}) TO '{target}' (FORMAT parquet)"
    connection.execute(copy, [str(path)])
    if text:
        rejected = connection.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchone()
        if rejected and rejected[0]:
            table.notes.append(f"{rejected[0]} rows of {path.name} could not be parsed and were left out")
    return table
