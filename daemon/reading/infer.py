"""A schema from a first file: what each column is, judged by its values."""

from pathlib import Path

import duckdb

from daemon.reading import csv
from daemon.reading.blame import worlds_fault
from daemon.reading.formats import MISSING, Kind
from daemon.reading.sql import connect, first_line_of, identifier, literal
from drift.derived.text import is_text
from retrain.records.errors import Refused, Retry
from retrain.records.schema import Column, Schema
from retrain.records.settings import ColumnKind, ModelSettings

SAMPLE = 50_000
FREE_TEXT_SHARE = 0.5
FREE_TEXT_VALUES = 254
TEXT_PROBE = 1_000
NUMBERS = ("FLOAT", "DOUBLE", "DECIMAL", "REAL")
MOMENTS = ("DATE", "TIMESTAMP")


def infer_schema(path: Path, kind: Kind, settings: ModelSettings, header: tuple[str, list[str]] | None) -> Schema:
    """The schema of the columns of a first file, for the task that the settings name; Refused where the target,
    time or id column is not in it."""
    connection = connect()
    try:
        connection.execute(f"CREATE TEMP TABLE sample AS {_sample(path, kind, settings, header)}")
        types = connection.execute("DESCRIBE sample").fetchall()
    except duckdb.Error as error:
        if worlds_fault(error):
            raise Retry(first_line_of(error)) from None
        raise Refused(f"cannot be read: {first_line_of(error)}") from None
    names = [row[0] for row in types]
    for role in ("target", "time_column", "id_column"):
        wanted = getattr(settings, role)
        if wanted is not None and wanted not in names:
            raise Refused(
                f"the schema cannot be inferred: {role} {wanted!r} is no column; the file has {', '.join(names[:10])}",
                "declare [models.NAME.columns], or drop a labelled file first",
            )
    columns = tuple(_column(connection, name, str(type_name), settings) for name, type_name, *_ in types)
    return Schema(columns, settings.task, settings.target, settings.time_column, settings.id_column)


def _sample(path: Path, kind: Kind, settings: ModelSettings, header: tuple[str, list[str]] | None) -> str:
    place = literal(csv.plain_path(path))
    if kind.format == "parquet":
        return f"SELECT * FROM read_parquet({place}) LIMIT {SAMPLE}"
    if kind.format == "jsonl":
        reader = f"read_json({place}, format = 'newline_delimited', compression = {literal(kind.compression)}, "
        return f"SELECT * FROM {reader} sample_size = {SAMPLE}, ignore_errors = true) LIMIT {SAMPLE}"
    assert header is not None
    missing = ", ".join(literal(word) for word in MISSING)
    names = ", ".join(literal(name) for name in header[1])
    return (
        f"SELECT * FROM read_csv({place}, delim = {literal(header[0])}, quote = '\"', escape = '\"', "
        f"header = true, names = [{names}], nullstr = [{missing}], compression = {literal(kind.compression)}, "
        f"encoding = {literal(settings.intake.encoding)}, all_varchar = true, ignore_errors = true) LIMIT {SAMPLE}"
    )


def _column(connection: duckdb.DuckDBPyConnection, name: str, type_name: str, settings: ModelSettings) -> Column:
    kind = _kind(connection, name, type_name)
    if name == settings.target:
        if settings.task == "regression":
            return Column(name, "integer" if kind == "integer" else "number")
        return Column(name, "category" if kind in ("number", "datetime") else kind)
    if name == settings.id_column:
        return Column(name, "integer" if kind == "integer" else "category")
    if kind == "category" and is_text(_words(connection, name)):
        return Column(name, "text")
    feature = kind != "category" or not _free_text(connection, name)
    return Column(name, kind, feature=feature)


def _kind(connection: duckdb.DuckDBPyConnection, name: str, type_name: str) -> ColumnKind:
    base = type_name.split("(")[0]
    if base == "BOOLEAN":
        return "boolean"
    if base.startswith(MOMENTS):
        return "datetime"
    if base in NUMBERS:
        return "number"
    if base.endswith("INT") or base in ("INTEGER", "UINTEGER"):
        return "integer"
    return _text_kind(connection, name) if base == "VARCHAR" else "category"


def _text_kind(connection: duckdb.DuckDBPyConnection, name: str) -> ColumnKind:
    """The narrowest kind that all texts fit. A number with a leading zero is a code; "yes" is a word."""
    column = identifier(name)
    tests: dict[ColumnKind, str] = {
        "integer": f"TRY_CAST({column} AS BIGINT) IS NOT NULL AND NOT regexp_matches({column}, '[.eE]|^[-+]?0[0-9]')",
        "number": f"TRY_CAST({column} AS DOUBLE) IS NOT NULL AND NOT regexp_matches({column}, '^[-+]?0[0-9]')",
        "boolean": f"lower({column}) IN ('true', 'false')",
        "datetime": f"TRY_CAST({column} AS TIMESTAMPTZ) IS NOT NULL",
    }
    counts = ", ".join(f"count(*) FILTER ({test})" for test in tests.values())
    row = connection.execute(f"SELECT count({column}), {counts} FROM sample").fetchone()
    assert row is not None
    present, *fitting = row
    kinds = [kind for kind, fit in zip(tests, fitting, strict=True) if present and fit == present]
    return kinds[0] if kinds else "category"


def _words(connection: duckdb.DuckDBPyConnection, name: str) -> list[str | None]:
    """The first values, as many as `compare` looks at."""
    rows = connection.execute(f"SELECT CAST({identifier(name)} AS VARCHAR) FROM sample LIMIT {TEXT_PROBE}").fetchall()
    return [row[0] for row in rows]


def _free_text(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether a category rather names rows than groups them: it would only be learned by heart."""
    column = identifier(name)
    query = f"SELECT count({column}), count(DISTINCT {column}) FROM sample"
    row = connection.execute(query).fetchone()
    assert row is not None
    present, distinct = row
    return bool(distinct > FREE_TEXT_VALUES and distinct > FREE_TEXT_SHARE * present)
