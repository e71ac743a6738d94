"""What a file is by its name, and its first bytes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from daemon.reading.blame import reading
from retrain.records.errors import Refused
from retrain.records.settings import IntakeSettings

Format = Literal["csv", "jsonl", "json", "parquet", "excel"]
SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".parquet": "parquet", ".pq": "parquet", ".xlsx": "excel",
}  # fmt: skip
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
SAMPLE_ROWS = 50_000
"""So many rows from the beginning tell what a file's columns are."""
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")


@dataclass(frozen=True)
class Kind:
    """A format and its compression ("none", "gzip" or "zstd")."""

    format: Format
    compression: str


@dataclass(frozen=True)
class OpenedFile:
    """A data file, or the copy that is read in its place, the options that it is read with, and its column names;
    `delimiter` is that of a CSV, else empty; `skipped` lines are above its header; `encoding` is that of the original;
    `notes` are to be told."""

    path: Path
    kind: Kind
    intake: IntakeSettings
    names: tuple[str, ...]
    delimiter: str = ""
    skipped: int = 0
    encoding: str = "utf-8"
    notes: tuple[str, ...] = ()


def kind_of(path: Path) -> Kind:
    """By the name's endings; Refused for others.

    >>> kind_of(Path("a.csv.gz"))
    Kind(format='csv', compression='gzip')
    """
    name = path.name.lower()
    compression = "none"
    for ending in COMPRESSIONS:
        if name.endswith(ending):
            name, compression = name.removesuffix(ending), COMPRESSIONS[ending]
    suffix = Path(name).suffix
    if suffix not in SUFFIXES:
        raise Refused(f"{path.name}: unknown format", f"expected {', '.join(sorted(SUFFIXES))}, text also .gz or .zst")
    return Kind(SUFFIXES[suffix], compression)


def first_bytes(path: Path, kind: Kind, count: int) -> bytes:
    """The beginning of the content, decompressed; Refused where it cannot be."""
    failure = "cannot be read" if kind.compression == "none" else f"is no valid {kind.compression} file"
    with reading(failure), opened(path, kind) as stream:
        return bytes(stream.read(count))


def opened(path: Path, kind: Kind) -> Any:
    """The content as a stream of bytes, decompressed."""
    return path.open("rb") if kind.compression == "none" else pa.CompressedInputStream(str(path), kind.compression)
