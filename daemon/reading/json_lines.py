"""JSON lines to a Parquet file of text columns by DuckDB, with rejected lines."""

import json
from collections.abc import Sequence
from pathlib import Path

from daemon.reading.blame import reading
from daemon.reading.csv import BUFFER_BYTES, LONGEST_LINE, plain_path
from daemon.reading.formats import SAMPLE_ROWS, Kind
from daemon.reading.rejects import LONGEST, Reject
from daemon.reading.sql import connect, identifier, literal
from retrain import durable

GOOD = "(CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END)"


def keys_of(path: Path, kind: Kind) -> list[str]:
    """The keys of the first objects, in the order of their first appearance."""
    lines = f"SELECT line FROM {_lines(path, kind)} WHERE trim(coalesce(line, '')) <> '' LIMIT {SAMPLE_ROWS}"
    query = (
        "SELECT key FROM (SELECT row, unnest(keys) AS key, generate_subscripts(keys, 1) AS place FROM "
        f"(SELECT row_number() OVER () AS row, CASE WHEN {GOOD} THEN json_keys(line) END AS keys FROM ({lines}))) "
        "GROUP BY key ORDER BY min(row), arg_min(place, row), key"
    )
    with reading("cannot be read as JSON lines"):
        return [row[0] for row in connect().execute(query).fetchall()]


def texts_of(path: Path, kind: Kind, names: Sequence[str]) -> str:
    """A query of `__row` (the line) and these keys as text of each line that is an object."""
    structure = literal(json.dumps(dict.fromkeys(names, "VARCHAR")))
    transformed = f"CASE WHEN {GOOD} THEN json_transform(line, {structure}) END"
    parsed = f"SELECT __row, {transformed} AS o FROM ({_numbered(path, kind)})"
    chosen = "".join(f", o.{identifier(name)} AS {identifier(name)}" for name in names)
    return f"SELECT __row{chosen} FROM ({parsed}) WHERE o IS NOT NULL"


def convert(path: Path, kind: Kind, names: Sequence[str], target: Path) -> list[Reject]:
    """Write these keys as text, and `__row` (the line) to `target`; the lines that are no objects."""
    connection, lines = connect(), _numbered(path, kind)
    with reading("cannot be read as JSON lines"):
        durable.crash_point("intake.parsed.before_write")
        connection.execute(
            f"COPY ({texts_of(path, kind, names)}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4_raw)"
        )
        bad = connection.execute(
            f"SELECT __row, left(line, {LONGEST}) FROM ({lines}) WHERE trim(coalesce(line, '')) <> '' AND NOT {GOOD}"
        ).fetchall()
    return [Reject(line, None, "not a JSON object", raw) for line, raw in bad]


def _numbered(path: Path, kind: Kind) -> str:
    return f"SELECT row_number() OVER () AS __row, line FROM {_lines(path, kind)}"


def _lines(path: Path, kind: Kind) -> str:
    """Each line as one text."""
    return (
        f"read_csv({literal(plain_path(path))}, columns = {{'line': 'VARCHAR'}}, auto_detect = false, header = false, "
        f"delim = chr(1), quote = '', escape = '', compression = {literal(kind.compression)}, "
        f"max_line_size = {LONGEST_LINE}, buffer_size = {BUFFER_BYTES}, null_padding = true)"
    )
