"""How a data file is opened: its format, its encoding, its column names and, of a CSV, the delimiter."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from daemon.reading import excel, json_lines
from daemon.reading.blame import reading
from daemon.reading.encodings import NAMES, copy_in_utf8, encoding_of
from daemon.reading.formats import Kind, OpenedFile, first_bytes, kind_of
from daemon.reading.header import LONGEST, find_header
from retrain.records.errors import Refused
from retrain.records.settings import IntakeSettings


def require_file(path: Path) -> None:
    """Refused where there is no such file."""
    if not path.is_file():
        raise Refused(f"{path}: {'a folder' if path.is_dir() else 'no such file'}")


def open_file(path: Path, intake: IntakeSettings, copy: Path, wanted: Sequence[str] = ()) -> OpenedFile:
    """The file with its columns' names, read with these options; `wanted` names help to find a table's header, and name
    fields of JSON objects ("customer.id"). What can not be read as it is, a spreadsheet or another encoding than UTF-8,
    is read from `copy`, which is written here and removed by the caller. Refused where the file is empty or not of the
    format that its name says."""
    kind = kind_of(path)
    if not path.stat().st_size:
        raise Refused("the file is empty", "expected rows")
    if kind.format == "excel":
        names, notes = excel.to_json_lines(path, tuple(wanted), copy)
        return OpenedFile(copy, Kind("jsonl", "none"), intake, tuple(names), notes=tuple(notes))
    if kind.format == "parquet":
        return OpenedFile(path, kind, intake, tuple(_parquet_names(path)))
    encoding, notes = encoding_of(path, kind, intake), []
    if encoding != "utf-8":
        copy_in_utf8(path, kind, encoding, copy)
        if intake.encoding is None and encoding == "cp1252":
            notes.append(f'the file is not UTF-8 and is read as {NAMES[encoding]}: encoding = "{encoding}"')
        path, kind = copy, Kind(kind.format, "none")
    file = OpenedFile(path, kind, intake, (), encoding=encoding, notes=tuple(notes))
    return _table(file, wanted) if kind.format == "csv" else _objects(file, wanted)


def _table(file: OpenedFile, wanted: Sequence[str]) -> OpenedFile:
    text = first_bytes(file.path, file.kind, LONGEST).decode("utf-8-sig", errors="replace")
    if not text.strip("\r\n\0 "):
        raise Refused("the file is empty", "expected a header line and rows")
    header = find_header(text, file.intake.delimiter, wanted)
    skipped = header.skipped
    notes = (f"the header is line {skipped + 1}; the lines above it are skipped",) if skipped else ()
    return replace(file, names=header.names, delimiter=header.delimiter, skipped=skipped, notes=(*file.notes, *notes))


def with_fields(file: OpenedFile) -> OpenedFile:
    """With the fields of JSON objects as columns, in place of the objects that hold them."""
    if file.kind.format not in ("json", "jsonl"):
        return file
    fields = json_lines.fields_of(file)
    return replace(file, names=tuple(one for name in file.names for one in fields.get(name) or [name]))


def _objects(file: OpenedFile, wanted: Sequence[str]) -> OpenedFile:
    if file.kind.format == "json":
        file = replace(file, kind=Kind(json_lines.layout_of(file.path, file.kind), file.kind.compression))
    names = json_lines.keys_of(file)
    if not names:
        raise Refused("no line is a JSON object", "expected one object a line")
    asked = [one for one in wanted if one not in names and one.split(json_lines.FIELD)[0] in names]
    fields = json_lines.fields_there(file, asked) if asked else []
    return replace(file, names=(*names, *fields))


def _parquet_names(path: Path) -> list[str]:
    with reading("cannot be read as Parquet"), pq.ParquetFile(path) as file:
        return list(file.schema_arrow.names)
