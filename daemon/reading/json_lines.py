"""JSON lines to a Parquet file of text columns by DuckDB, with rejected lines."""

import json
import zlib
from pathlib import Path

import duckdb

from daemon.reading.blame import worlds_fault
from daemon.reading.csv import LONGEST_LINE, plain_path
from daemon.reading.formats import Kind
from daemon.reading.rejects import LONGEST, Reject
from daemon.reading.sql import connect, first_line_of, identifier, literal
from retrain import durable
from retrain.records.errors import Refused, Retry
from retrain.records.schema import Schema

SAMPLED = 1000
GOOD = "(CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END)"


def keys_of(path: Path, kind: Kind) -> list[str]:
    """The keys of the first thousand objects, in the order of their first appearance."""
    query = (
        f"SELECT DISTINCT unnest(CASE WHEN {GOOD} THEN json_keys(line) END) FROM "
        f"(SELECT line FROM {_lines(path, kind)} WHERE trim(coalesce(line, '')) <> '' LIMIT {SAMPLED})"
    )
    try:
        return sorted(row[0] for row in connect().execute(query).fetchall())
    except (duckdb.Error, zlib.error) as error:
        if worlds_fault(error):
            raise Retry(first_line_of(error)) from None
        raise Refused(f"cannot be read as JSON lines: {first_line_of(error)}") from None


def convert(path: Path, kind: Kind, schema: Schema, present: list[str], target: Path) -> list[Reject]:
    """Write the schema's columns as text, and `__row` (the line) to `target`; the lines that are no objects."""
    names = [column.name for column in schema.columns if column.name in present]
    structure = literal(json.dumps(dict.fromkeys(names, "VARCHAR")))
    connection = connect()
    lines = f"SELECT row_number() OVER () AS __row, line FROM {_lines(path, kind)}"
    transformed = f"CASE WHEN {GOOD} THEN json_transform(line, {structure}) END"
    parsed = f"SELECT * FROM (SELECT __row, {transformed} AS o FROM ({lines})) WHERE o IS NOT NULL"
    chosen = ", ".join(f"o.{identifier(name)} AS {identifier(name)}" for name in names)
    try:
        durable.crash_point("intake.parsed.before_write")
        connection.execute(
            f"COPY (SELECT {chosen}, __row FROM ({parsed})) TO {literal(str(target))} "
            "(FORMAT parquet, COMPRESSION lz4_raw)"
        )
        bad = connection.execute(
            f"SELECT __row, left(line, {LONGEST}) FROM ({lines}) WHERE trim(coalesce(line, '')) <> '' AND NOT {GOOD}"
        ).fetchall()
    except duckdb.Error as error:
        if worlds_fault(error):
            raise Retry(first_line_of(error)) from None
        raise Refused(f"cannot be read as JSON lines: {first_line_of(error)}") from None
    return [Reject(line, None, "not a JSON object", raw) for line, raw in bad]


def _lines(path: Path, kind: Kind) -> str:
    """Each line as one text."""
    return (
        f"read_csv({literal(plain_path(path))}, columns = {{'line': 'VARCHAR'}}, auto_detect = false, header = false, "
        f"delim = chr(1), quote = '', escape = '', compression = {literal(kind.compression)}, "
        f"max_line_size = {LONGEST_LINE}, null_padding = true)"
    )
