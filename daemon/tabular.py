"""Any supported data file as a table that is read one column at a time."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from daemon.ingest.formats import MISSING, SUFFIXES
from drift import CategoricalProfile, NumericProfile, Profile, numeric_profile
from drift.categorical import MAX_CATEGORIES
from retrain.errors import Refused
from retrain.settings import ColumnKind

KEEP_ALL = 2**62
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
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

    def profile(self, name: str, kind: ColumnKind) -> Profile:
        """The column as that kind; what does not fit it counts as missing and is noted."""
        expression = EXPRESSIONS[kind].format(c=quoted(name))
        if kind in ("category", "boolean"):
            found: Profile = self._categories(f"CAST({expression} AS VARCHAR)")
        else:
            found = self._numbers(expression)
        if self.types[name] == "VARCHAR" and kind != "category":
            self._note_misfits(name, kind, expression)
        return found

    def _numbers(self, expression: str) -> NumericProfile:
        values = f"SELECT {expression} AS v FROM read_parquet(?)"  # noqa: S608 - quoted
        column = self._query(values).fetchnumpy()["v"]
        numbers = column.filled(float("nan")) if hasattr(column, "filled") else column
        return numeric_profile(numbers, max_values=KEEP_ALL)

    def _categories(self, expression: str) -> CategoricalProfile:
        counted = f"SELECT {expression} AS v, count(*) AS n FROM read_parquet(?)"  # noqa: S608 - quoted
        counts = self._query(f"{counted} GROUP BY 1 ORDER BY n DESC, v").fetchall()
        named = {name: int(n) for name, n in counts if name is not None}
        missing = sum(int(n) for name, n in counts if name is None)
        kept = dict(list(named.items())[:MAX_CATEGORIES])
        return CategoricalProfile(dict(sorted(kept.items())), missing, sum(named.values()) - sum(kept.values()))

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

    def _note_misfits(self, name: str, kind: str, expression: str) -> None:
        present, fit = self._one(f"count({quoted(name)}), count({expression})")
        if fit < present:
            self.notes.append(f"{present - fit} values of {name} are no {kind}; they count as missing")

    def _one(self, expressions: str) -> Any:
        return self._query(f"SELECT {expressions} FROM read_parquet(?)").fetchone()  # noqa: S608 - quoted

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
    copy = f"COPY (SELECT * FROM {reader}) TO '{target}' (FORMAT parquet)"  # noqa: S608 - quoted
    connection.execute(copy, [str(path)])
    if text:
        rejected = connection.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchone()
        if rejected and rejected[0]:
            table.notes.append(f"{rejected[0]} rows of {path.name} could not be parsed and were left out")
    return table
