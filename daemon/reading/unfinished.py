"""Signs that a file is still being written: somebody has it open for writing, or its end is none."""

import errno
import fcntl
import signal
import sys
import zipfile
from pathlib import Path

import pyarrow as pa

from daemon.reading.formats import Kind, kind_of, opened
from retrain.records.errors import Refused

CHUNK_BYTES = 1 << 20
PARQUET_END = b"PAR1"
LINE_ENDS = (b"\n", b"\r")
CLOSING = {b"[": b"]", b"{": b"}"}
BLANKS = b" \t\r\n\0\xef\xbb\xbf\xff\xfe"
"""Byte order marks and the zeros of UTF-16 among them."""
EDGE_BYTES = 1024
WIDEST = 2
"""Bytes of a line end in UTF-16."""


def sign_of_writing(path: Path) -> str:
    """What shows that a file may not be whole; "" for nothing. Signs that stay are none: who asks has to give up."""
    try:
        kind = kind_of(path)
        if has_writer(path):
            return "it is open for writing"
        return _without_end(path, kind)
    except Refused:
        return ""


def has_writer(path: Path) -> bool:
    """Whether somebody has a file open for writing, as far as this system tells: Linux grants a read lease only where
    nobody has, and only to the file's owner or root."""
    if sys.platform != "linux":
        return False
    try:
        with path.open("rb") as file:
            fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)  # who opens it meanwhile has us told; this one is ignored
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False


def _without_end(path: Path, kind: Kind) -> str:
    if kind.format == "parquet":
        return "" if _last_bytes(path, len(PARQUET_END)) == PARQUET_END else "it has no Parquet footer"
    if kind.format == "excel":
        return "" if zipfile.is_zipfile(path) else "its archive does not end"
    quotes, begin, end = 0, b"", b""
    try:
        with opened(path, kind) as stream:
            while piece := bytes(stream.read(CHUNK_BYTES)):
                quotes += piece.count(b'"')
                begin, end = begin or piece[:EDGE_BYTES], (end + piece)[-EDGE_BYTES:]
    except (OSError, pa.ArrowException):
        return f"its {kind.compression} stream does not end"
    if kind.format == "csv" and quotes % 2:
        return "it has a quote that is not closed"
    return _without_last_line(begin, end, kind)


def _without_last_line(begin: bytes, end: bytes, kind: Kind) -> str:
    """A text ends with a line end; JSON may end with what closes its first bracket, too."""
    closing = CLOSING.get(begin.strip(BLANKS)[:1], b"-") if kind.format in ("json", "jsonl") else b"-"
    if end.strip(BLANKS).endswith(closing):
        return ""
    if kind.format == "json":
        return "its JSON does not end"
    return "" if any(line_end in end[-WIDEST:] for line_end in LINE_ENDS) else "its last line has no end"


def _last_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - count))
        return file.read(count)
