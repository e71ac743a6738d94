"""CSV to a Parquet file of typed columns by DuckDB, with rejected rows by line and column."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb

from daemon.reading.blame import hint_of, worlds_fault
from daemon.reading.clean import is_local
from daemon.reading.formats import MISSING, Kind, OpenedFile, opened
from daemon.reading.layout import Layout
from daemon.reading.rejects import LONGEST, Reject, misfit
from daemon.reading.sql import connect, first_line_of, identifier, literal, plain_path
from retrain import durable
from retrain.records.errors import Refused, Retry
from retrain.records.formats import Formats
from retrain.records.schema import Column, Schema
from retrain.records.settings import ColumnKind, IntakeSettings

LONGEST_LINE = 16 * 2**20
BUFFER_BYTES = 2 * LONGEST_LINE
"""DuckDB would take 16 times the longest line."""
TYPES = {
    "number": "DOUBLE", "integer": "DECIMAL(38,6)", "boolean": "BOOLEAN", "category": "VARCHAR",
    "datetime": "TIMESTAMPTZ", "text": "VARCHAR",
}  # fmt: skip
CONVERTED = re.compile(r'Could not convert string "(.*?)" to', re.DOTALL)
COUNTED = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
UNTERMINATED = "unterminated quote"
MIXED_ENDS = "state machine reached an invalid state"
CHUNK_BYTES = 4 * 2**20


def convert(file: OpenedFile, schema: Schema, target: Path) -> list[Reject]:
    """Write the schema's columns that the file has, typed where programs write them so and else as text, and `__row`
    to `target`; the rejected rows."""
    known = {column.name: column for column in schema.columns}
    types = {
        name: _type(known[name].kind, schema.formats_of(known[name])) if name in known else "VARCHAR"
        for name in file.names
    }
    if schema.task == "recommendation" and schema.time_column in types:
        types[schema.time_column] = "VARCHAR"  # numbers and moments, see event_times
    chosen = [f"{_in_utc(identifier(name), types[name])} AS {identifier(name)}" for name in file.names if name in known]
    return _copy(file, types, [*chosen, "row_number() OVER () AS __row"], target, known, schema.formats.na_values)


def _type(kind: ColumnKind, formats: Formats) -> str:
    """As what DuckDB reads a column."""
    return "VARCHAR" if is_local(kind, formats) else TYPES[kind]


def convert_all(file: OpenedFile, layout: Layout, target: Path) -> int:
    """Write every column to `target`, as its kind where programs write it so and else as text; the number of rows that
    could not be parsed. Where a value does not fit its kind it is missing, and the column `misfits_of` its position is
    not."""
    chosen = []
    for position, name in enumerate(file.names):
        column, type_name = identifier(name), _type(layout.kinds.get(name, "category"), layout.formats_of(name))
        fitted = f"TRY_CAST({column} AS {type_name})"
        chosen.append(f"{_in_utc(fitted, type_name)} AS {column}")
        if type_name != "VARCHAR":
            misfit = f"CASE WHEN {column} IS NOT NULL AND {fitted} IS NULL THEN true END"
            chosen.append(f"{misfit} AS {identifier(misfits_of(position))}")
    return len(_copy(file, dict.fromkeys(file.names, "VARCHAR"), chosen, target, {}, layout.formats.na_values))


def misfits_of(position: int) -> str:
    """The column that is true where the one at that position has a value that does not fit, else missing."""
    return f"__misfits_of_{position}"


def parsed(
    file: OpenedFile, types: Mapping[str, str], rewritten: Path, missing: Sequence[str], run: Callable[[str], object]
) -> None:
    """Call `run` with DuckDB's reader of the file, as SQL, with these types by column and further words for missing
    values. Where lines end in different ways it reads a copy, `rewritten`. Refused where the file is no CSV."""
    try:
        try:
            run(_read_csv(file.path, file.kind.compression, file, types, missing))
        except duckdb.Error as error:
            if MIXED_ENDS not in str(error):
                raise
            _with_plain_line_ends(file.path, file.kind, rewritten)
            run(_read_csv(rewritten, "none", file, types, missing))
    except duckdb.Error as error:
        if worlds_fault(error):
            raise Retry(first_line_of(error)) from None
        raise Refused(_failure(error, file.kind), _hint(error, file.intake)) from None
    finally:
        rewritten.unlink(missing_ok=True)


def _copy(
    file: OpenedFile,
    types: Mapping[str, str],
    chosen: Sequence[str],
    target: Path,
    known: Mapping[str, Column],
    missing: Sequence[str],
) -> list[Reject]:
    connection = connect()

    def copy(reader: str) -> None:
        durable.crash_point("intake.parsed.before_write")
        connection.execute(
            f"COPY (SELECT {', '.join(chosen)} FROM {reader}) "
            f"TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4_raw)"
        )

    parsed(file, types, target.with_suffix(".lines.csv"), missing, copy)
    return _rejects(connection, known)


def _with_plain_line_ends(path: Path, kind: Kind, target: Path) -> None:
    """A copy whose lines all end alike: DuckDB gives up where some end in CR LF and some in LF."""
    with opened(path, kind) as source, target.open("wb") as sink:
        left = b""
        while piece := source.read(CHUNK_BYTES):
            data = left + piece
            left = b"\r" if data.endswith(b"\r") else b""
            sink.write((data[: len(data) - len(left)]).replace(b"\r\n", b"\n"))
        sink.write(left)


def _in_utc(expression: str, type_name: str) -> str:
    """A moment without its offset; other types as they are."""
    return f"{expression} AT TIME ZONE 'UTC'" if type_name == "TIMESTAMPTZ" else expression


def _read_csv(path: Path, compression: str, file: OpenedFile, types: Mapping[str, str], words: Sequence[str]) -> str:
    columns = ", ".join(f"{literal(name)}: {literal(type_name)}" for name, type_name in types.items())
    missing = ", ".join(literal(word) for word in dict.fromkeys((*MISSING, *words)))
    return (
        f"read_csv({literal(plain_path(path))}, columns = {{{columns}}}, auto_detect = false, header = true, "
        f"delim = {literal(file.delimiter)}, quote = '\"', escape = '\"', nullstr = [{missing}], "
        f"compression = {literal(compression)}, skip = {file.skipped}, "
        f"max_line_size = {LONGEST_LINE}, buffer_size = {BUFFER_BYTES}, store_rejects = true, rejects_limit = 0)"
    )


def refuse_open_quote(connection: duckdb.DuckDBPyConnection) -> None:
    """Refused where the lines that were rejected are those after a quote that is never closed."""
    query = f"SELECT min(line) FROM reject_errors WHERE contains(error_message, {literal(UNTERMINATED)})"
    found = connection.execute(query).fetchone()
    if found is not None and found[0] is not None:
        where = f"line {found[0]}: a quote is opened and never closed, so the rows after it cannot be told apart"
        raise Refused(where, "close the quote; in a quoted value, write a quote twice")


def _rejects(connection: duckdb.DuckDBPyConnection, known: Mapping[str, Column]) -> list[Reject]:
    """The first error of each bad line."""
    refuse_open_quote(connection)
    query = (
        "SELECT line, first(column_name ORDER BY column_idx), first(error_type ORDER BY column_idx), "
        f"first(error_message ORDER BY column_idx), first(left(csv_line, {LONGEST}) ORDER BY column_idx) "
        "FROM reject_errors GROUP BY line ORDER BY line"
    )
    rejects = []
    for line, column, error_type, message, raw in connection.execute(query).fetchall():
        named = column if error_type == "CAST" else None
        rejects.append(Reject(line, named, _reason(error_type, message, known.get(column)), raw))
    return rejects


def _reason(error_type: str, message: str, column: Column | None) -> str:
    if error_type == "CAST" and column is not None:
        value = CONVERTED.search(message)
        return misfit(value[1] if value else "the value", column.kind)
    counted = COUNTED.search(message)
    if error_type in ("MISSING COLUMNS", "TOO MANY COLUMNS") and counted:
        return f"the row has {counted[2]} values; expected {counted[1]}"
    if error_type == "INVALID ENCODING":
        return 'bytes that are no UTF-8; if the file is latin-1, set intake.encoding = "latin-1"'
    return str(message).splitlines()[0]


def _failure(error: Exception, kind: Kind) -> str:
    if "GZIP" in str(error) or "zstd" in str(error).lower():
        return f"is no whole {kind.compression} file: {first_line_of(error)}"
    return f"cannot be read as CSV: {first_line_of(error)}"


def _hint(error: Exception, intake: IntakeSettings) -> str:
    text = str(error).lower()
    if hint_of(error):
        return hint_of(error)
    if "unicode" in text or "encoding" in text or "utf" in text:
        return 'if the file is latin-1, set intake.encoding = "latin-1"'
    return "" if intake.delimiter else "if its delimiter is unusual, set intake.delimiter"
