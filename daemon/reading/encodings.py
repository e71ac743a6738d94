"""Which encoding a text file has, and a copy of it in UTF-8, which is what DuckDB reads."""

import codecs
import re
from pathlib import Path
from typing import Any

from daemon.reading.blame import reading
from daemon.reading.formats import Kind, opened
from retrain.records.errors import Refused
from retrain.records.settings import IntakeSettings

CHUNK_BYTES = 4 * 2**20
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
NAMES = {"cp1252": "Windows-1252 (Latin)", "latin-1": "Latin-1", "utf-16": "UTF-16"}
BEYOND_ASCII = re.compile("[^\0-\x7f\ufffd]")
WRONG = "\ufffd"
MANY = 20
"""So many bytes that are no UTF-8 for each sign that is make the file one of another encoding."""
FEW_NULLS = 0.3
"""Of the bytes at even or odd places; in UTF-16 of European text it is nearly all."""


def encoding_of(path: Path, kind: Kind, intake: IntakeSettings) -> str:
    """utf-8, utf-16 (also -le, -be), cp1252 or latin-1: by a mark at the beginning, else as configured, else by the
    first bytes beyond ASCII."""
    failure = "cannot be read" if kind.compression == "none" else f"is no valid {kind.compression} file"
    with reading(failure), opened(path, kind) as stream:
        first = bytes(stream.read(CHUNK_BYTES))
        if first.startswith(UTF_32):  # before UTF-16, with whose mark one of them begins
            raise Refused("is a text in UTF-32", "save it as UTF-8")
        for mark, encoding in MARKS.items():
            if first.startswith(mark):
                return encoding
        if intake.encoding is not None:
            return intake.encoding
        return _wide(first) or _found(first, stream)


def _wide(first: bytes) -> str:
    """UTF-16 without a mark, by the zeros in it; else empty."""
    if not first or b"\0" not in first[:1000]:
        return ""
    half = len(first[:1000]) // 2 or 1
    even, odd = (first[:1000][place::2].count(0) / half for place in (0, 1))
    if max(even, odd) < FEW_NULLS or min(even, odd) > FEW_NULLS:
        return ""
    return "utf-16-be" if even > odd else "utf-16-le"


def _found(chunk: bytes, stream: Any) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    while chunk:
        if not chunk.isascii() or decoder.getstate()[0]:
            text = decoder.decode(chunk)
            wrong, right = text.count(WRONG), len(BEYOND_ASCII.findall(text))
            if wrong or right:
                return "cp1252" if wrong > MANY * right else "utf-8"
        chunk = bytes(stream.read(CHUNK_BYTES))
    return "cp1252" if decoder.getstate()[0] else "utf-8"


def copy_in_utf8(path: Path, kind: Kind, encoding: str, target: Path) -> None:
    """Write the content, decompressed, as UTF-8 to `target`. Refused where it is not of that encoding."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace" if encoding == "cp1252" else "strict")
    try:
        with opened(path, kind) as source, target.open("w", encoding="utf-8", newline="") as sink:
            while chunk := bytes(source.read(CHUNK_BYTES)):
                sink.write(decoder.decode(chunk))
            sink.write(decoder.decode(b"", final=True))
    except UnicodeError as error:
        raise Refused(f"is no whole text in {encoding}: {error}", "set intake.encoding") from None
