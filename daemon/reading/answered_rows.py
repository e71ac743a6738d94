"""Answered rows: the server's segments to Parquet of the prediction log, and what is in there to a data file.

Nothing here is published: what is written lies in the work folder."""

import hashlib
import json
import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import structs

from daemon.reading.clean import clean
from daemon.reading.digest import file_digest
from daemon.reading.forgotten import without
from daemon.reading.look import Problem, look
from daemon.reading.operations import (
    ConvertRequest,
    ConvertResult,
    TakeRequest,
    TakeResult,
    TrafficRequest,
    TrafficResult,
)
from daemon.reading.take import take
from drift.columns.casts import TYPES
from retrain import durable
from retrain.labels.propensity import ANSWER, GREEDY, PROPENSITY, SHARE
from retrain.records.errors import Refused, Retry
from retrain.records.schema import Column, Schema
from retrain.records.settings import ColumnKind
from retrain.rows.cells import CONVERTERS, word

MICROS = pa.timestamp("us")
CLASS = "__p_"
DRAWN = {"explored": pa.bool_(), "greedy": pa.string(), "propensity": pa.float64(), "explore_share": pa.float64()}
"""What a line has besides where classes of some answers are drawn at random."""
KEYS = {"version", "role", "columns", "classes", "at", "ids", "rows", "values", "probabilities"}


def convert(request: ConvertRequest) -> ConvertResult:
    """The operation: a file with the features in the types of snapshots, `__time`, `__id`, `__version`, `__role`,
    `__prediction`, and `__p_CLASS` of each class; where classes of some answers are drawn at random
    (`serving.explore`), `__explored`, `__greedy` (what the version answers by itself), `__propensity` and
    `__explore_share`."""
    durable.make_folder(request.work, "intake.work")
    parsed = [line for segment in request.segments for line in _parsed(segment)]
    lines, torn = [line for line in parsed if line is not None], parsed.count(None)
    if not lines:
        return ConvertResult(path=None, rows=0, torn=torn)
    called = {str(request.schema.id_column): "__id"}
    table = without(_table(lines, request.schema), request.forgotten, called)
    if not table.num_rows:
        return ConvertResult(path=None, rows=0, torn=torn)
    path = request.work / f"{uuid.uuid4().hex}.log.parquet"
    durable.crash_point("prediction_log.convert.before_write")
    pq.write_table(table, path, compression="zstd")
    times = table["__time"].cast(pa.int64())
    return ConvertResult(
        path=path,
        digest=file_digest(path),
        rows=table.num_rows,
        answers=pc.sum(pc.equal(table["__role"], "answer")).as_py(),
        bytes=path.stat().st_size,
        first_time=pc.min(times).as_py() / 1e6,
        last_time=pc.max(times).as_py() / 1e6,
        torn=torn,
    )


def traffic(request: TrafficRequest) -> TrafficResult:
    """The operation: answered rows become a data file; where classes of some answers were drawn at random, its snapshot
    has the columns of `retrain.labels.propensity` besides."""
    schema, work = known_columns(request.schema), request.work
    durable.make_folder(work, "intake.work")
    source = work / f"{uuid.uuid4().hex}.traffic.parquet"
    try:
        logs = [log for path in request.logs if (log := _answered(path)) is not None]
        if not logs:
            raise Refused("the files of the prediction log are gone or damaged")
        table = pa.concat_tables([_answers(log, schema) for log in logs])
        durable.crash_point("traffic.source.before_write")
        pq.write_table(table, source, compression="zstd")
        file_look = look(source)
        if isinstance(file_look, Problem):
            raise Retry(f"{source}: {file_look.reason}")
        settings = request.settings.model_copy(update={"prepare": None})  # who answered has prepared them
        taken = take(TakeRequest(path=source, schema=schema, settings=settings, work=work, forgotten=request.forgotten))
        taken = _with_propensity(taken, logs)
    finally:
        source.unlink(missing_ok=True)
    sha256 = hashlib.sha256("\n".join(request.digests).encode()).hexdigest()
    return TrafficResult(taken=taken, sha256=sha256, look=file_look)


def known_columns(schema: Schema) -> Schema:
    """What requests have of a row: features, time, id and, later, the target. A row without an id is none the worse."""
    apart = {schema.target, schema.time_column, schema.id_column}
    names = {column.name for column in schema.features} | apart
    loose = (schema.id_column, schema.target)
    columns = (replace(column, nullable=column.nullable or column.name in loose) for column in schema.columns)
    return replace(schema, columns=tuple(column for column in columns if column.name in names))


# --- segments ---------------------------------------------------------------------------------------------------


def _parsed(segment: Path) -> Iterator[dict[str, Any] | None]:
    """Its lines; None for one that is not whole."""
    try:
        with segment.open("rb") as file:
            yield from map(_line, file)
    except FileNotFoundError:
        raise Retry(f"{segment} vanished") from None


def _line(raw: bytes) -> dict[str, Any] | None:
    try:
        line = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError):
        try:
            line = json.loads(raw)
        except ValueError:
            return None
    return line if _is_whole(line) else None


def _is_whole(line: Any) -> bool:
    if not isinstance(line, dict) or not line.keys() >= KEYS or not line["at"]:
        return False
    rows = len(line["at"])
    shaped = all(len(line[key]) == rows for key in ("ids", "rows", "values"))
    return shaped and all(len(row) == len(line["columns"]) for row in line["rows"])


def _table(lines: Sequence[dict[str, Any]], schema: Schema) -> pa.Table:
    columns: dict[str, Any] = {c.name: _feature(lines, c) for c in schema.features}
    micros = [round(moment * 1e6) for line in lines for moment in line["at"]]
    columns["__time"] = pa.array(micros, pa.int64()).cast(MICROS)
    columns["__id"] = _texts(key for line in lines for key in line["ids"])
    for name in ("version", "role"):
        columns[f"__{name}"] = _texts(line[name] for line in lines for _ in line["at"])
    predictions = [value for line in lines for value in line["values"]]
    if schema.task == "regression":
        numbers = [None if value is None else float(value) for value in predictions]
        columns["__prediction"] = pa.array(numbers, pa.float64())
    else:
        columns["__prediction"] = _texts(predictions)
    classes = dict.fromkeys(name for line in lines if line["probabilities"] for name in line["classes"] or ())
    for name in classes:
        columns[f"{CLASS}{name}"] = pa.array([p for line in lines for p in _probabilities(line, name)], pa.float64())
    if any("propensity" in line for line in lines):
        columns |= {f"__{key}": pa.array(_drawn(lines, key), kind) for key, kind in DRAWN.items()}
    return pa.table(columns)


def _drawn(lines: Sequence[dict[str, Any]], key: str) -> list[Any]:
    """What the lines say of classes drawn at random, row by row; null where they say nothing."""
    each = ((line.get(key), len(line["at"])) for line in lines)
    return [value for found, rows in each for value in (found if isinstance(found, list) else [found] * rows)]


def _feature(lines: Sequence[dict[str, Any]], column: Column) -> pa.Array:
    """A feature of all rows in the snapshots' type; what a request did not say, or cannot be, is missing."""
    values: list[Any] = []
    for line in lines:
        place = line["columns"].index(column.name) if column.name in line["columns"] else None
        values += [None] * len(line["at"]) if place is None else [row[place] for row in line["rows"]]
    if column.kind in ("category", "text"):
        return _texts(values)
    if column.kind == "number" and set(map(type, values)) <= {float, type(None)}:
        return pa.array(values, pa.float64())
    stored = pa.int64() if column.kind == "datetime" else TYPES[column.kind]
    return pa.array([_converted(value, column.kind) for value in values], stored).cast(TYPES[column.kind])


def _converted(value: Any, kind: ColumnKind) -> Any:
    """As serving understood it."""
    if value is None or kind == "text":
        return None
    try:
        number = CONVERTERS[kind](value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    if kind == "integer":
        whole = value if isinstance(value, int) else int(number)
        return whole if -(2**63) <= whole < 2**63 else None
    if kind == "datetime":
        return round(number * 1e6)
    return bool(number) if kind == "boolean" else number


def _probabilities(line: dict[str, Any], name: str) -> list[Any]:
    if not line["probabilities"] or name not in (line["classes"] or ()):
        return [None] * len(line["at"])
    place = line["classes"].index(name)
    return [row[place] for row in line["probabilities"]]


def _texts(values: Any) -> pa.Array:
    """Words; what no UTF-8 can say is replaced."""
    words = [None if value is None else word(value) for value in values]
    try:
        return pa.array(words, pa.string())
    except (UnicodeError, pa.ArrowException):
        return pa.array([None if w is None else w.encode("utf-8", "replace").decode() for w in words], pa.string())


# --- a data file ------------------------------------------------------------------------------------------------


def _answered(path: Path) -> pa.Table | None:
    """The answered rows of a file of the log; None where someone removed or damaged it."""
    try:
        log = pq.read_table(path, pre_buffer=False)
    except (OSError, pa.ArrowException):
        return None
    return log.filter(pc.equal(log["__role"], "answer"))


def _with_propensity(taken: TakeResult, logs: Sequence[pa.Table]) -> TakeResult:
    """With what was drawn at random in the snapshot, which has the logs' rows by their numbers from 1."""
    if not any(PROPENSITY in log.column_names for log in logs):
        return taken
    sources = {GREEDY: GREEDY, ANSWER: "__prediction", PROPENSITY: PROPENSITY, SHARE: SHARE}
    snapshot = pq.read_table(taken.snapshot, pre_buffer=False)
    places = pc.subtract(snapshot["__row"], 1)
    for name, source in sources.items():
        kind = DRAWN.get(name.removeprefix("__"), pa.string())
        parts = [log[source] if source in log.column_names else pa.nulls(log.num_rows, kind) for log in logs]
        whole = pa.chunked_array([chunk for part in parts for chunk in _chunks(part.cast(kind))], kind)
        snapshot = snapshot.append_column(name, whole.take(places))
    durable.crash_point("traffic.propensity.before_write")
    pq.write_table(snapshot, taken.snapshot, compression="zstd", write_statistics=False)
    return structs.replace(taken, snapshot_digest=file_digest(taken.snapshot))


def _chunks(column: Any) -> list[Any]:
    return column.chunks if isinstance(column, pa.ChunkedArray) else [column]


def _answers(log: pa.Table, schema: Schema) -> pa.Table:
    """The rows of a file of the log, with the schema's columns but the target."""
    columns = {}
    for column in schema.columns:
        name = "__id" if column.name == schema.id_column else column.name
        if column.name == schema.target:
            continue
        if column.name == schema.time_column:
            columns[column.name] = _times(log["__time"], column)
        elif name in log.column_names:
            columns[column.name] = _retyped(log[name], column)
        else:
            columns[column.name] = pa.nulls(log.num_rows, TYPES[column.kind])
    return pa.table(columns)


def _times(moments: pa.ChunkedArray, column: Column) -> Any:
    """When the rows were answered: a time, or Unix seconds."""
    if column.kind == "datetime":
        return moments.combine_chunks().cast(TYPES["datetime"])
    seconds = moments.cast(pa.int64()).to_numpy() / 1e6
    return pa.array(np.floor(seconds).astype(np.int64) if column.kind == "integer" else seconds)


def _retyped(values: pa.ChunkedArray, column: Column) -> Any:
    """Of the kind that the schema has now, missing where they cannot be of that kind; the log may be older."""
    try:
        return clean(values.combine_chunks(), column.name, column.kind).values.cast(TYPES[column.kind])
    except Refused:
        return pa.nulls(len(values), TYPES[column.kind])
