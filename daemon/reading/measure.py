"""What a text file comes to once it is decompressed, looked at before anything is made of it: a few kilobytes may stand
for terabytes, and a reader that takes two thousand lines at once for as many long ones."""

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from daemon.reading.formats import SAMPLE_ROWS, Kind, first_bytes, opened
from retrain.records.errors import Refused

if TYPE_CHECKING:
    from retrain.records.settings import ModelSettings

PIECE_BYTES = 4 * 2**20
WINDOW_BYTES, LEAST_LINES = 64 * 2**20, 512
"""So much text has at least so many lines: a reader holds 2,048 at once, a quarter of a gigabyte then."""
MOST_TIMES = {"none": 1, "gzip": 1032, "zstd": 10**6}
"""How much longer a content may be than its file, by compression; DEFLATE's own bound, and no bound to speak of."""


def refuse_costly(path: Path, kind: Kind, settings: "ModelSettings") -> None:
    """Refused where a text file has more bytes than `limits.max_plain`, or lines that are too long for many at once.
    What cannot be decompressed is told by who reads it."""
    if kind.format in ("parquet", "excel"):
        return
    most, size = settings.limits.max_plain, path.stat().st_size
    if kind.compression == "none" and size > most:
        raise _too_much(f"{size:,}", most)
    if size * MOST_TIMES[kind.compression] > min(most, WINDOW_BYTES):
        try:
            _measure(path, kind, most)
        except (OSError, zlib.error, pa.ArrowException, duckdb.Error):
            return


def first_rows(path: Path, kind: Kind) -> int:
    """How many rows tell what a file's columns are: SAMPLE_ROWS, or as many lines as there are in its first 64 MB."""
    if kind.format == "parquet":
        return SAMPLE_ROWS
    begin = first_bytes(path, kind, WINDOW_BYTES)
    return SAMPLE_ROWS if len(begin) < WINDOW_BYTES else max(100, min(SAMPLE_ROWS, begin.count(b"\n")))


def _measure(path: Path, kind: Kind, most: int) -> None:
    total, window, lines = 0, 0, 0
    with opened(path, kind) as stream:
        while piece := stream.read(PIECE_BYTES):
            total, window = total + len(piece), window + len(piece)
            lines += max(piece.count(b"\n"), piece.count(b"\r"))
            if total > most:
                raise _too_much(f"over {most:,}", most)
            if window >= WINDOW_BYTES:
                _refuse_long_lines(window, lines, kind)
                window, lines = 0, 0


def _refuse_long_lines(window: int, lines: int, kind: Kind) -> None:
    if kind.format != "json" and lines < LEAST_LINES:
        reason = f"{window // 2**20} MB of text have {lines:,} lines; at least {LEAST_LINES} are expected"
        raise Refused(reason, "shorten its texts, or write it as Parquet")


def _too_much(found: str, most: int) -> Refused:
    return Refused(f"the file has {found} bytes of text; limits.max_plain is {most:,}", "raise it, or split the file")
