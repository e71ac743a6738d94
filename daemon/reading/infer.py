"""What each column of a file is, judged by the types and values of its first rows; a schema of them."""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from daemon.reading import csv, json_lines
from daemon.reading.blame import reading
from daemon.reading.formats import SAMPLE_ROWS, OpenedFile
from daemon.reading.sql import connect, identifier, literal
from drift.derived.text import is_text
from retrain.records.errors import WrongUse
from retrain.records.schema import Column, Schema
from retrain.records.settings import ColumnKind, ModelSettings

FREE_TEXT_SHARE = 0.5
FREE_TEXT_VALUES = 254
SHOWN_NAMES = 20
TEXT_PROBE = 1_000
"""So many values tell sentences from names."""
NUMBERS = ("FLOAT", "DOUBLE", "DECIMAL", "REAL")
MOMENTS = ("DATE", "TIMESTAMP")
WIDER = ("UBIGINT", "HUGEINT", "UHUGEINT")
"""Integers that may not fit in 64 bits with a sign; their values tell."""


@dataclass(frozen=True)
class Sampled:
    """The first rows of a file, as `sample` of a connection; Refused where they cannot be read."""

    connection: duckdb.DuckDBPyConnection

    @cached_property
    def kinds(self) -> dict[str, ColumnKind]:
        """Of each column, by name."""
        return {name: _kind(self, name, str(type_name)) for name, type_name, *_ in self.ask("DESCRIBE sample")}

    def counts(self, name: str) -> tuple[int, int]:
        """How many values of a column are not missing, and how many of them are different."""
        column = identifier(name)
        ((present, distinct),) = self.ask(f"SELECT count({column}), count(DISTINCT {column}) FROM sample")
        return int(present), int(distinct)

    def ask(self, query: str) -> list[Any]:
        """The rows of a query."""
        with reading("cannot be read"):
            return list(self.connection.execute(query).fetchall())


def sampled(file: OpenedFile, rewritten: Path) -> Sampled:
    """The first 50,000 rows of a file; see `csv.parsed` for `rewritten`. Refused where the file cannot be read."""
    sample = Sampled(connect())
    if file.kind.format == "csv":
        texts = dict.fromkeys(file.names, "VARCHAR")
        create = "CREATE TEMP TABLE sample AS SELECT * FROM {} LIMIT {}"
        csv.parsed(file, texts, rewritten, lambda rows: sample.connection.execute(create.format(rows, SAMPLE_ROWS)))
        csv.refuse_open_quote(sample.connection)
    elif file.kind.format == "jsonl":
        rows = json_lines.texts_of(file.path, file.kind, file.names)
        sample.ask(f"CREATE TEMP TABLE sample AS SELECT * EXCLUDE (__row) FROM ({rows}) LIMIT {SAMPLE_ROWS}")
    else:  # read again by each query, only the columns that it needs
        rows = f"read_parquet({literal(csv.plain_path(file.path))})"
        sample.ask(f"CREATE TEMP VIEW sample AS SELECT * FROM {rows} LIMIT {SAMPLE_ROWS}")
    return sample


def infer_schema(sample: Sampled, settings: ModelSettings) -> Schema:
    """The schema of the columns of a first file, for the task that the settings name; Refused where the target,
    time or id column is not in it."""
    for role in ("target", "time_column", "id_column"):
        wanted = getattr(settings, role)
        if wanted is not None and wanted not in sample.kinds:
            names = list(sample.kinds)
            more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
            close = get_close_matches(wanted, names, 1)
            meant = f"did you mean {close[0]!r}? " if close else ""
            raise WrongUse(
                f"{role} {wanted!r} is no column; {meant}the file has {', '.join(names[:SHOWN_NAMES])}{more}",
                "the first file shows the columns: drop a labelled one first, or declare [models.NAME.columns]",
            )
    columns = tuple(_column(sample, name, settings) for name in sample.kinds)
    return Schema(columns, settings.task, settings.target, settings.time_column, settings.id_column)


def _column(sample: Sampled, name: str, settings: ModelSettings) -> Column:
    kind = sample.kinds[name]
    if name == settings.target:
        if settings.task == "regression":
            return Column(name, "integer" if kind == "integer" else "number")
        return Column(name, "category" if kind in ("number", "datetime", "text") else kind)
    if name == settings.id_column:
        return Column(name, "integer" if kind == "integer" else "category")
    return Column(name, kind, feature=kind != "category" or not _free_text(sample, name))


def _kind(sample: Sampled, name: str, type_name: str) -> ColumnKind:
    kind = _plain_kind(sample, name, type_name)
    if kind != "category":
        return kind
    rows = sample.ask(f"SELECT CAST({identifier(name)} AS VARCHAR) FROM sample LIMIT {TEXT_PROBE}")
    return "text" if is_text([row[0] for row in rows]) else kind


def _plain_kind(sample: Sampled, name: str, type_name: str) -> ColumnKind:
    base = type_name.split("(")[0]
    if type_name.endswith("]"):
        return "category"
    if base == "BOOLEAN":
        return "boolean"
    if base.startswith(MOMENTS):
        return "datetime"
    if base in NUMBERS:
        return "number"
    if base == "VARCHAR" or base in WIDER:
        return _text_kind(sample, name)
    return "integer" if base.endswith("INT") or base in ("INTEGER", "UINTEGER") else "category"


def _text_kind(sample: Sampled, name: str) -> ColumnKind:
    """The narrowest kind that all texts fit. A number with a leading zero is a code; "yes" is a word."""
    column = f"CAST({identifier(name)} AS VARCHAR)"
    tests: dict[ColumnKind, str] = {
        "integer": f"TRY_CAST({column} AS BIGINT) IS NOT NULL AND NOT regexp_matches({column}, '[.eE]|^[-+]?0[0-9]')",
        "number": f"TRY_CAST({column} AS DOUBLE) IS NOT NULL AND NOT regexp_matches({column}, '^[-+]?0[0-9]')",
        "boolean": f"lower({column}) IN ('true', 'false')",
        "datetime": f"TRY_CAST({column} AS TIMESTAMPTZ) IS NOT NULL",
    }
    counts = ", ".join(f"count(*) FILTER ({test})" for test in tests.values())
    ((present, *fitting),) = sample.ask(f"SELECT count({column}), {counts} FROM sample")
    kinds = [kind for kind, fit in zip(tests, fitting, strict=True) if present and fit == present]
    return kinds[0] if kinds else "category"


def _free_text(sample: Sampled, name: str) -> bool:
    """Whether a category rather names rows than groups them: it would only be learned by heart."""
    present, distinct = sample.counts(name)
    return distinct > FREE_TEXT_VALUES and distinct > FREE_TEXT_SHARE * present
