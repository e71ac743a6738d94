"""Hostile data files by kind and size, and what should be said of each: a pattern of the reason, or "" where it is taken."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MOST_BYTES = 100 * 2**20
SIZES = (1_000, 16_000, 64_000, 256_000, 1_000_000, 4_000_000, 16_000_000, 64_000_000)
"""Bytes that are meant; what is compressed takes fewer."""
HEAD, ROW, OTHER = b"x,c,y\n", b"1.5,a,no\n", b"2.5,b,yes\n"
ANY = ".+"


@dataclass(frozen=True)
class FileKind:
    """`make` gives bytes for a size; `reason` is a pattern of what is said of it, "" where the file is taken. CPU is
    measured up to `growing` bytes."""

    name: str
    ending: str
    make: Callable[[int], bytes]
    reason: str
    largest: int = SIZES[-1]
    growing: int = 4_000_000

    @property
    def sizes(self) -> tuple[int, ...]:
        """Those that are tried."""
        return tuple(size for size in SIZES if size <= self.largest)


def good(size: int) -> bytes:
    """A table of about so many bytes."""
    return HEAD + (ROW + OTHER) * max(20, size // len(ROW + OTHER))


def kinds() -> Iterator[FileKind]:
    """All of them."""
    yield FileKind("good", "csv", good, "")
    yield FileKind("good compressed", "csv.gz", lambda n: gzip.compress(good(n), 1), "")
    yield from _texts()
    yield from _compressed()
    yield from _json()
    yield from _parquet()
    yield FileKind("random bytes", "csv", lambda n: np.random.default_rng(n).bytes(n), ANY, 4_000_000)
    yield FileKind(
        "random bytes as Parquet", "parquet", lambda n: np.random.default_rng(n).bytes(n), "Parquet", 4_000_000
    )
    yield FileKind("no spreadsheet", "xlsx", lambda n: np.random.default_rng(n).bytes(n), ANY, 1_000_000)
    yield FileKind("a spreadsheet of nothing but zeros", "xlsx", _zeros_in_zip, ANY)


def _texts() -> Iterator[FileKind]:
    yield FileKind("one long text", "csv", lambda n: good(0) + b"1," + b"a" * n + b",no\n", "", 256_000)
    yield FileKind("one text that is too long", "csv", lambda n: HEAD + b"1," + b"a" * (n + 2_000_000) + b",no\n", ANY)
    yield FileKind(
        "rows of long texts", "csv", lambda n: HEAD + (b"1," + b"a" * 10_000 + b",no\n") * max(1, n // 10_000), ""
    )
    yield FileKind(
        "a quote that is never closed", "csv", lambda n: HEAD + b'1,"a,no\n' + ROW * (n // len(ROW)), "quote"
    )
    yield FileKind("only quotes", "csv", lambda n: HEAD + b'"' * n, ANY)
    yield FileKind("only commas", "csv", lambda n: HEAD + b"," * n, "", 1_000_000)
    yield FileKind("only line ends", "csv", lambda n: HEAD + b"\n" * n, "no rows")
    yield FileKind("only zeros", "csv", lambda n: b"\0" * n, ANY)
    yield FileKind("zeros within", "csv", lambda n: HEAD + (b"1,a\0b,no\n" + OTHER) * max(20, n // 20), "", 16_000_000)
    yield FileKind(
        "rows of another length", "csv", lambda n: HEAD + b"1,2,3,4\n" * max(1, n // 8), "rows? (is|are) bad"
    )
    yield FileKind("many columns", "csv", _columns, "", 256_000)
    yield FileKind("short rows under many columns", "csv", _short_rows, "rows? (is|are) bad", 16_000_000)
    yield FileKind("every third row short", "csv", lambda n: HEAD + (ROW + OTHER + b"1,2\n") * max(20, n // 23), "")
    yield FileKind(
        "bytes that are no UTF-8",
        "csv",
        lambda n: HEAD + ("1,é,no\n".encode() * 9 + b"2,\xff,yes\n" + OTHER) * max(20, n // 92),
        "",
    )
    yield FileKind(
        "columns that are called alike",
        "csv",
        lambda n: b"x,X,y\n" + b"1,2,no\n3,4,yes\n" * max(20, n // 16),
        "alike|case|twice",
        4_000_000,
    )
    yield FileKind(
        "columns of one name",
        "csv",
        lambda n: b"x,x,y\n" + b"1,2,no\n" * max(20, n // 8),
        "twice|several|same",
        4_000_000,
    )
    yield FileKind("lines that end in CR", "csv", lambda n: good(n).replace(b"\n", b"\r"), "CR alone", 4_000_000)
    yield FileKind("UTF-16", "csv", lambda n: good(n).decode().encode("utf-16"), "", 4_000_000)
    yield FileKind("UTF-32", "csv", lambda n: good(n).decode().encode("utf-32"), "UTF-32", 4_000_000)
    yield FileKind(
        "numbers without end", "csv", lambda n: HEAD + (b"9" * 400 + b",a,no\n" + OTHER) * max(20, n // 420), ""
    )
    yield FileKind(
        "escape sequences", "csv", lambda n: HEAD + (b"1,\x1b]0;x\x07\x1b[31m,no\n" + OTHER) * max(20, n // 40), ""
    )


def _compressed() -> Iterator[FileKind]:
    yield FileKind("a line without end", "csv.gz", lambda n: gzip.compress(HEAD + b"a" * min(n * 100, 2**29), 1), ANY)
    yield FileKind(
        "long lines",
        "csv.gz",
        lambda n: gzip.compress(HEAD + (b"1," + b"a" * 3_000_000 + b",no\n") * (1 + n // 300_000), 1),
        ANY,
    )
    yield FileKind("cut off", "csv.gz", lambda n: gzip.compress(good(n), 1)[:-9], "gzip|whole|end")
    yield FileKind("no gzip", "csv.gz", good, "gzip")
    yield FileKind(
        "members without content", "csv.gz", lambda n: gzip.compress(b"") * max(1, n // 20), "empty", 4_000_000
    )
    yield FileKind("in another format", "csv.zst", lambda n: gzip.compress(good(n), 1), "zstd", 4_000_000)


def _json() -> Iterator[FileKind]:
    line = json.dumps({"x": 1.5, "c": "a", "y": "no"}).encode() + b"\n"
    yield FileKind("nested without end", "jsonl", lambda n: b'{"x": ' + b"[" * n + b"]" * n + b"}\n", ANY, 4_000_000)
    yield FileKind("one line without end", "jsonl", lambda n: b'{"x": "' + b"a" * n + b'"}\n', ANY)
    yield FileKind("a few keys of their own in each line", "jsonl", _keys, "", 16_000)
    yield FileKind("keys of their own in each line", "jsonl", lambda n: _keys(60_000 + n), "different keys", 16_000_000)
    yield FileKind("no objects", "jsonl", lambda n: b"[1, 2]\n" * max(1, n // 7), "object", 4_000_000)
    yield FileKind("cut off in the middle", "jsonl", lambda n: line * max(20, n // len(line)) + line[:9], "", 4_000_000)
    yield FileKind(
        "an array that never ends",
        "json",
        lambda n: b"[" + line.strip() + (b"," + line.strip()) * max(1, n // len(line)),
        ANY,
        growing=16_000_000,  # below 2 MB its end is seen before its first rows are looked at, which takes .16 s
    )


def _parquet() -> Iterator[FileKind]:
    yield FileKind(
        "a text in a dictionary", "parquet", lambda n: _table(60, "a" * (n + 1_000_001), True), "a text of|at most"
    )
    yield FileKind(
        "short texts in a dictionary", "parquet", lambda n: _table(max(20, n // 8), "a", True), "", 16_000_000
    )
    yield FileKind(
        "a page of far more than its bytes",
        "parquet",
        lambda n: _table(300 + n // 1_000, "a" * 1_000_000, False),
        "over 200 times",
        256_000,
    )


def _table(rows: int, text: str, coded: bool) -> bytes:
    whole = io.BytesIO()
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), pa.array([text]))
    table = pa.table(
        {
            "x": np.arange(float(rows)),
            "c": texts if coded else texts.cast(pa.string()),
            "y": ["no", "yes"] * (rows // 2) + ["no"] * (rows % 2),
        }
    )
    pq.write_table(table, whole, compression="zstd", use_dictionary=coded)
    return whole.getvalue()


def _columns(size: int) -> bytes:
    names = [f"c{number}" for number in range(max(3, size // 40))]
    row = ",".join("1" for _ in names)
    return (
        "\n".join([",".join([*names, "y"]), *(f"{row},{'no' if n % 2 else 'yes'}" for n in range(20))]).encode() + b"\n"
    )


def _short_rows(size: int) -> bytes:
    head = ",".join([*(f"c{number}" for number in range(300)), "y"]).encode() + b"\n"
    return head + b"1\n" * max(20, size // 2)


def _keys(size: int) -> bytes:
    return b"".join(
        json.dumps({f"k{number}": number, "y": "no"}).encode() + b"\n" for number in range(max(2, size // 24))
    )


def _zeros_in_zip(size: int) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/workbook.xml", "<workbook/>")
        file.writestr("xl/worksheets/sheet1.xml", b"0" * min(size * 4, MOST_BYTES))
    return whole.getvalue()
