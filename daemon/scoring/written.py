"""Answered rows as a file of the format that its name says: Parquet, CSV or JSON lines, text also compressed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daemon.reading.formats import Kind, kind_of
from daemon.scoring.answers import Answered, How
from daemon.scoring.names import COMPRESSED
from drift.columns.casts import TYPES
from retrain.records.errors import Refused

WRITTEN = (".parquet", ".pq", ".csv", ".tsv", ".jsonl", ".ndjson")
MARKS = (b'"', b",", b"\t", b"\r", b"\n")
QUOTED = '[",\t\r\n]'
ENCODER = msgspec.json.Encoder(enc_hook=str)


class Writer(Protocol):
    """Takes answered rows, a batch at a time."""

    def write(self, answered: Answered) -> None:
        """Some more rows."""

    def close(self) -> None:
        """No more of them."""


def out_kind(path: Path) -> Kind:
    """The format of a result by its name; Refused for what cannot be written."""
    expected = f"expected {', '.join(WRITTEN)}, text also .gz or .zst"
    try:
        kind = kind_of(path)
    except Refused:
        raise Refused(f"{path.name}: cannot be written in that format", expected) from None
    if kind.format not in ("parquet", "csv", "jsonl") or (kind.format == "parquet" and kind.compression != "none"):
        raise Refused(f"{path.name}: cannot be written in that format", expected)
    return kind


def writer(stream: IO[bytes], name: str, how: How, is_text: bool, is_json: bool) -> Writer:
    """What writes rows of a source to an open file in the format that `name` says: of a source that `is_text` the
    features as the model read them, unless it is written as text; of JSON into JSON each object as it was."""
    kind = out_kind(Path(name))
    if kind.format == "parquet":
        return _Parquet(stream, how, is_text)
    sink = stream if kind.compression == "none" else pa.CompressedOutputStream(_Open(stream), kind.compression)
    if kind.format == "csv":
        return _Csv(sink, "\t" if _is_tabbed(name) else ",")
    return _Objects(sink) if is_json else _JsonLines(sink, how, is_text)


def _is_tabbed(name: str) -> bool:
    """Whether values are between tabs, by the ending before that of a compression."""
    return any(name.lower().endswith(f".tsv{ending}") for ending in ("", *COMPRESSED))


class _Open:
    """A stream that its compression does not close: it is made durable and gets its name afterwards."""

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self.write, self.flush = stream.write, stream.flush

    def close(self) -> None:
        """Nothing."""


class _Parquet:
    """Columns of a Parquet file keep their types."""

    def __init__(self, stream: IO[bytes], how: How, is_text: bool) -> None:
        self._stream, self._how, self._is_text = stream, how, is_text
        self._writer: Any = None

    def write(self, answered: Answered) -> None:
        columns = _typed(answered, self._how) if self._is_text else _plain(answered.own)
        table = pa.table(columns | answered.answers)
        if self._writer is None:
            words = [field.name for field in table.schema if not pa.types.is_floating(field.type)]
            self._writer = pq.ParquetWriter(self._stream, table.schema, use_dictionary=words)
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class _Csv:
    """Values as a CSV has them, quoted where that is needed; lists and structures as JSON."""

    def __init__(self, sink: Any, delimiter: str) -> None:
        self._sink, self._delimiter, self._is_begun = sink, delimiter, False

    def write(self, answered: Answered) -> None:
        columns = _plain(answered.own) | answered.answers
        if not self._is_begun:
            self._sink.write(_lines([_quoted(pa.array([name])) for name in columns], self._delimiter))
            self._is_begun = True
        if len(answered.predictions):
            self._sink.write(_lines([_quoted(_texts(one)) for one in columns.values()], self._delimiter))

    def close(self) -> None:
        if isinstance(self._sink, pa.NativeFile):
            self._sink.close()


class _JsonLines:
    """One object a row."""

    def __init__(self, sink: Any, how: How, is_text: bool) -> None:
        self._sink, self._how, self._is_text = sink, how, is_text

    def write(self, answered: Answered) -> None:
        columns = _typed(answered, self._how) if self._is_text else _plain(answered.own)
        columns |= answered.answers
        names, values = list(columns), [_values(name, column) for name, column in columns.items()]
        rows = (dict(zip(names, row, strict=True)) for row in zip(*values, strict=True))
        self._sink.write(ENCODER.encode_lines(rows))

    def close(self) -> None:
        if isinstance(self._sink, pa.NativeFile):
            self._sink.close()


class _Objects:
    """Each object as it was written, with the answers at its end."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink

    def write(self, answered: Answered) -> None:
        rows, names = answered.objects, list(answered.answers)
        _refuse_answered(rows, names)
        if not len(rows):
            return
        # An object ends with a brace: what is before it, but for spaces, and a comma unless nothing is.
        before = pc.utf8_rtrim_whitespace(pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(rows), 0, -1))
        comma = pc.if_else(pc.equal(before, "{"), "", ", ")
        parts: list[Any] = [before, comma]
        for place, (name, column) in enumerate(answered.answers.items()):
            parts += [f"{', ' if place else ''}{json.dumps(name, ensure_ascii=False)}: ", _json_texts(column)]
        self._sink.write(_joined([*parts, "}\n"], ""))

    def close(self) -> None:
        if isinstance(self._sink, pa.NativeFile):
            self._sink.close()


def _refuse_answered(rows: Any, names: Sequence[str]) -> None:
    """Refused where an object has a key that is called as one of the answers is: the columns of a file of JSON are
    those of its first objects."""
    for name in names:
        key = json.dumps(name, ensure_ascii=False)
        for text in rows.filter(pc.match_substring(rows, key)).to_pylist():
            if name in json.loads(text):
                reason = f"an object has a key {name!r}, as one of the answers is called"
                raise Refused(reason, "a prefix, such as driftd_, gives these other names")


def _plain(own: pa.RecordBatch) -> dict[str, Any]:
    """The columns of a file by name, none in a dictionary."""
    return {
        name: column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for name, column in zip(own.schema.names, own.columns, strict=True)
    }


def _typed(answered: Answered, how: How) -> dict[str, Any]:
    """The columns of a text by name: features as the model read them, the others as texts."""
    own = answered.own
    kinds = {column.name: TYPES[column.kind] for column in how.schema.features}
    return {
        name: answered.features.column(name).cast(kinds[name]) if name in kinds else own.column(name)
        for name in own.schema.names
    }


def _texts(column: Any) -> Any:
    """Values as texts: floats such that reading them gives every bit."""
    if pa.types.is_string(column.type):
        return column
    try:
        return pc.cast(column, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([_one_text(value) for value in column.to_pylist()], pa.string())


def _one_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return ENCODER.encode(value).decode() if isinstance(value, list | dict) else str(value)


def _values(name: str, column: Any) -> list[Any]:
    """As JSON has them: moments and dates as ISO 8601, at any resolution. Refused where Python has no such value."""
    if pa.types.is_temporal(column.type):
        column = pc.replace_substring(_texts(column), " ", "T", max_replacements=1)
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError) as error:
        reason = f"column {name!r} cannot be written as JSON: {str(error).partition('.')[0]}"
        raise Refused(reason, "write it as Parquet") from None
    return values


def _json_texts(column: Any) -> Any:
    """Values as JSON, missing and not finite ones as null."""
    if pa.types.is_floating(column.type):
        return pc.fill_null(pc.if_else(pc.is_finite(column), pc.cast(column, pa.string()), None), "null")
    if pa.types.is_boolean(column.type):
        return pc.fill_null(pc.cast(column, pa.string()), "null")
    codes = pc.dictionary_encode(column)
    words = [ENCODER.encode(word).decode() for word in codes.dictionary.to_pylist()]
    return pc.fill_null(pa.array(words, pa.string()).take(codes.indices), "null")


def _quoted(texts: Any) -> Any:
    """Texts of a CSV: in quotes where one has a delimiter, a quote or a line end."""
    raw = _bytes(texts)
    if not any(mark in raw for mark in MARKS):
        return texts
    needed = pc.match_substring_regex(texts, QUOTED)
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(needed, pc.binary_join_element_wise('"', doubled, '"', ""), texts)


def _lines(columns: Sequence[Any], delimiter: str) -> Any:
    return _joined([_joined_texts(columns, delimiter), "\n"], "")


def _joined_texts(columns: Sequence[Any], delimiter: str) -> Any:
    return pc.binary_join_element_wise(*columns, delimiter, null_handling="replace", null_replacement="")


def _joined(parts: Sequence[Any], delimiter: str) -> Any:
    """The bytes of texts (n,), joined to one text a row and these put end to end."""
    whole = _joined_texts(parts, delimiter)
    return _bytes(whole)


def _bytes(texts: Any) -> bytes:
    """The bytes of texts (n,), one behind the other."""
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return b""
    bounds = memoryview(offsets).cast("i")
    return bytes(memoryview(data)[bounds[texts.offset] : bounds[texts.offset + len(texts)]])
