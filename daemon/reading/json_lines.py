"""JSON objects, one a line or in an array, to a Parquet file of text columns by DuckDB, with rejected lines."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from daemon.reading.blame import reading
from daemon.reading.csv import BUFFER_BYTES
from daemon.reading.formats import SAMPLE_ROWS, Format, Kind, OpenedFile, first_bytes
from daemon.reading.pieces import LONGEST_LINE
from daemon.reading.rejects import LONGEST, Reject, Rejects, shortened
from daemon.reading.sql import connect, identifier, literal, plain_path
from retrain import durable
from retrain.records.errors import Refused

GOOD = "(CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END)"
FAILURE = {"jsonl": "cannot be read as JSON lines", "json": "cannot be read as a JSON array"}
LAYOUT_BYTES = 2**20
FIELD = "."
"""Before the name of a field of an object: "customer.id"."""
FETCHED_ROWS = 10_000
MOST_KEYS = 2_000
"""Each is looked for in each row: ten thousand objects with a key of their own took five gigabytes."""
ONE_ARRAY = re.compile(r'\{\s*"([^"]*)"\s*:\s*\[')
"""How an object begins whose first value is a list."""


def layout_of(path: Path, kind: Kind) -> Format:
    """Whether a `.json` file is an array ("json") or one object a line ("jsonl"). Refused where it is one object."""
    text = first_bytes(path, kind, LAYOUT_BYTES).decode("utf-8-sig", errors="replace").lstrip()
    if text.startswith("["):
        return "json"
    first, end, rest = text.partition("\n")
    if first.strip() == "{}" and rest.strip():
        return "jsonl"
    try:
        value = json.loads(first)
    except ValueError:
        if not end and not ONE_ARRAY.match(text):
            return "jsonl"  # a long first line
        value = {}
    except RecursionError:
        raise Refused("is nested too deeply for rows", "expected [{…}, {…}], or one object a line") from None
    records = [key for key, inner in value.items() if _are_objects(inner)] if isinstance(value, dict) else []
    if not value or (records and not rest.strip()):
        key = records[:1] or ONE_ARRAY.findall(text)[:1]
        where = f" (take what is in its {shortened(key[0])!r})" if key else ""
        raise Refused("is one JSON value, no array of objects", "expected [{…}, {…}], or one object a line", where)
    return "jsonl"


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def keys_of(file: OpenedFile) -> list[str]:
    """The keys of the first objects, in the order of their first appearance."""
    query = (
        "SELECT key FROM (SELECT row, unnest(keys) AS key, generate_subscripts(keys, 1) AS place FROM "
        f"(SELECT row_number() OVER () AS row, CASE WHEN {GOOD} THEN json_keys(line) END AS keys "
        f"FROM {_first_lines(file)})) "
        "GROUP BY key ORDER BY min(row), arg_min(place, row), key"
    )
    with reading(FAILURE[file.kind.format]):
        found = [row[0] for row in connect().execute(f"{query} LIMIT {MOST_KEYS + 1}").fetchall()]
    if len(found) > MOST_KEYS:
        reason = f"its objects have more than {MOST_KEYS:,} different keys, and each would be a column"
        raise Refused(reason, 'write what varies as a value, {"key": …, "value": …}')
    return found


def fields_of(file: OpenedFile) -> dict[str, list[str]]:
    """The dotted names of the fields of each key that holds objects in the first rows, however deep; none of lists."""
    query = f"SELECT json_group_structure(CAST(line AS JSON)) FROM {_first_lines(file)} WHERE {GOOD}"
    with reading(FAILURE[file.kind.format]):
        ((structure,),) = connect().execute(query).fetchall()
    shape = json.loads(structure) if structure else {}
    return {key: list(_leaves(inner, key)) for key, inner in shape.items() if isinstance(inner, dict)}


def fields_there(file: OpenedFile, names: Sequence[str]) -> list[str]:
    """Which of these dotted names are fields of objects in any of the first rows."""
    there = ", ".join(f"count(*) FILTER (json_exists(line, {_pointer(name)}))" for name in names)
    with reading(FAILURE[file.kind.format]):
        (counts,) = connect().execute(f"SELECT {there} FROM {_first_lines(file)} WHERE {GOOD}").fetchall()
    return [name for name, count in zip(names, counts, strict=True) if count]


def _leaves(shape: object, name: str) -> Iterator[str]:
    if isinstance(shape, dict):
        for key, inner in shape.items():
            yield from _leaves(inner, f"{name}.{key}")
    elif not isinstance(shape, list):
        yield name


def _pointer(name: str) -> str:
    """Of "customer.id" the JSON pointer to the field of the object, as an SQL literal."""
    return literal("/" + name.replace("~", "~0").replace("/", "~1").replace(".", "/"))


def values_of(file: OpenedFile, names: Sequence[str], type_name: str = "JSON") -> str:
    """A query of `__row` (the line, or the place in the array) and the values of these keys of each object; where it
    has no key "customer.id", of the field in its object "customer"."""
    structure = literal(json.dumps(dict.fromkeys(names, type_name)))
    transformed = f"CASE WHEN {GOOD} THEN json_transform(line, {structure}) END"
    parsed = f"SELECT __row, line, {transformed} AS o FROM ({_numbered(file)})"
    chosen = "".join(f", {_value(name, type_name)} AS {identifier(name)}" for name in names)
    return f"SELECT __row{chosen} FROM ({parsed}) WHERE o IS NOT NULL"


def rows_of(file: OpenedFile, names: Sequence[str], line: str, is_object: str) -> str:
    """A query of `__row`, the texts of these keys of each object, its own text as the column `line`, and whether it
    `is_object`: other lines that are not empty are among the rows, too."""
    structure = literal(json.dumps(dict.fromkeys(names, "VARCHAR")))
    transformed = f"CASE WHEN {GOOD} THEN json_transform(line, {structure}) END"
    parsed = f"SELECT __row, line, {transformed} AS o FROM ({_numbered(file)}) WHERE trim(coalesce(line, '')) <> ''"
    chosen = "".join(f", {_value(name, 'VARCHAR')} AS {identifier(name)}" for name in names)
    about = f"line AS {identifier(line)}, o IS NOT NULL AS {identifier(is_object)}"
    return f"SELECT __row{chosen}, {about} FROM ({parsed})"


def _value(name: str, type_name: str) -> str:
    key = f"o.{identifier(name)}"
    if FIELD not in name:
        return key
    field = f"json_extract(line, {_pointer(name)})" if type_name == "JSON" else f"line ->> {_pointer(name)}"
    return f"coalesce({key}, {field})"


def first_rows(file: OpenedFile, missing: Sequence[str], most: int) -> tuple[pa.Table, dict[str, int]]:
    """The first rows as texts, and by column how many values are texts in the file; these words are missing."""
    connection, names = connect(len(file.names)), file.names
    with reading("cannot be read"):
        rows = f"SELECT * EXCLUDE (__row) FROM ({values_of(file, names)}) LIMIT {most}"
        connection.execute(f"CREATE TEMP TABLE json_sample AS {rows}")
        texts = connection.sql(f"SELECT {texts_in(names, missing)} FROM json_sample").to_arrow_table()
        quoted = ", ".join(f"count(*) FILTER ({is_quoted(name)})" for name in names)
        (counts,) = connection.execute(f"SELECT {quoted} FROM json_sample").fetchall()
    return texts, dict(zip(names, counts, strict=True))


def texts_in(names: Sequence[str], missing: Sequence[str]) -> str:
    """JSON columns as text, these words as missing, as a list of SQL expressions."""
    words = ", ".join(map(literal, missing))
    texts = {name: f"{identifier(name)} ->> '$'" for name in names}
    if words:
        texts = {name: f"CASE WHEN ({text}) NOT IN ({words}) THEN {text} END" for name, text in texts.items()}
    return ", ".join(f"{text} AS {identifier(name)}" for name, text in texts.items())


def is_quoted(name: str) -> str:
    """Whether a value of a JSON column is a text in the file, as an SQL expression."""
    return f"starts_with(CAST({identifier(name)} AS VARCHAR), chr(34))"


def convert(file: OpenedFile, names: Sequence[str], target: Path, rejects: Rejects) -> None:
    """Write these keys as text, and `__row` (the line, or the place in the array) to `target`; what is no object is
    added to `rejects`."""
    connection, lines = connect(len(file.names)), _numbered(file)
    with reading(FAILURE[file.kind.format]):
        durable.crash_point("intake.parsed.before_write")
        texts = values_of(file, names, "VARCHAR")
        connection.execute(f"COPY ({texts}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4_raw)")
        bad = f"SELECT __row, left(line, {LONGEST}) FROM ({lines}) WHERE trim(coalesce(line, '')) <> '' AND NOT {GOOD}"
        found = connection.execute(bad)
        while some := found.fetchmany(FETCHED_ROWS):
            rejects.extend(Reject(line, None, "not a JSON object", raw) for line, raw in some)


def _numbered(file: OpenedFile) -> str:
    return f"SELECT row_number() OVER () AS __row, line FROM {_lines(file)}"


def _first_lines(file: OpenedFile) -> str:
    return f"(SELECT line FROM {_lines(file)} WHERE trim(coalesce(line, '')) <> '' LIMIT {SAMPLE_ROWS})"


def _lines(file: OpenedFile) -> str:
    """Each line, or each element of an array, as one text."""
    path, compression = literal(plain_path(file.path)), literal(file.kind.compression)
    if file.kind.format == "json":
        objects = f"read_json_objects({path}, format = 'array', compression = {compression}, "
        return f"(SELECT CAST(json AS VARCHAR) AS line FROM {objects} maximum_object_size = {LONGEST_LINE}))"
    return (
        f"read_csv({path}, columns = {{'line': 'VARCHAR'}}, auto_detect = false, header = false, "
        f"delim = chr(1), quote = '', escape = '', compression = {compression}, "
        f"max_line_size = {LONGEST_LINE}, buffer_size = {BUFFER_BYTES}, null_padding = true)"
    )
