"""How a data file is opened: its format, its column names and, of a CSV, the delimiter."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from daemon.reading import csv, json_lines
from daemon.reading.blame import reading
from daemon.reading.formats import OpenedFile, kind_of
from retrain.records.errors import Refused
from retrain.records.settings import IntakeSettings


def require_file(path: Path) -> None:
    """Refused where there is no such file."""
    if not path.is_file():
        raise Refused(f"{path}: {'a folder' if path.is_dir() else 'no such file'}")


def open_file(path: Path, intake: IntakeSettings, wanted: Sequence[str] = ()) -> OpenedFile:
    """The file with its columns' names, read with these options; `wanted` names help to find a CSV's delimiter. Refused
    where it is empty or not of the format that its name says."""
    kind = kind_of(path)
    if not path.stat().st_size:
        raise Refused("the file is empty", "expected rows")
    if kind.format == "csv":
        delimiter, names = csv.header_of(path, kind, intake, wanted)
        return OpenedFile(path, kind, intake, tuple(names), delimiter)
    names = json_lines.keys_of(path, kind) if kind.format == "jsonl" else _parquet_names(path)
    if not names and kind.format == "jsonl":
        raise Refused("no line is a JSON object", "expected one object a line")
    return OpenedFile(path, kind, intake, tuple(names))


def _parquet_names(path: Path) -> list[str]:
    with reading("cannot be read as Parquet"), pq.ParquetFile(path) as file:
        return list(file.schema_arrow.names)
