"""A CSV in pieces of rows that a strict reader takes, and the other rows with what is wrong with them.

DuckDB keeps a kilobyte for each field that is too many, missing or no UTF-8, and the whole row for each value that does
not fit: two bytes of a row may cost as many kilobytes as there are columns. So it is given only rows that have what it
wants.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from daemon.reading.header import LONGEST as LONGEST_HEADER
from daemon.reading.rejects import LONGEST, Reject, Rejects, Share
from retrain.records.errors import Refused

LONGEST_LINE = 16 * 2**20
PIECE_BYTES, BYTES_A_COLUMN = 2 * 2**20, 2_000
"""What is read at once: of many columns more, since a piece costs time for each of them."""
PIECE_ROWS = 50_000
FILLED, LF, CR = b"\x01", 10, 13
BAD_TEXT = 'bytes that are no UTF-8; if the file is latin-1, set intake.encoding = "latin-1"'
LONE_CR = "a line end of CR alone; save it with lines that end in LF or CR LF"


@dataclass(frozen=True)
class Piece:
    """Rows without a header as CSV with ends of LF, `lines` (n,) of the file at which they begin, and `starts` (n,) at
    which they do in the text."""

    text: bytes
    lines: NDArray[np.int64]
    starts: NDArray[np.int64]

    def raw(self, place: int) -> str:
        """The beginning of a row."""
        start = int(self.starts[place])
        return _shown(self.text[start : start + LONGEST].split(b"\n", 1)[0])


def pieces(stream: Any, width: int, delimiter: str, skipped: int, rejects: Rejects, share: Share) -> Iterator[Piece]:
    """The rows of `width` fields below the header, which is below `skipped` lines; the others are added to `rejects`,
    as those may be that the caller sets aside. Refused where a quote is never closed, or followed by more, and where
    of enough rows a larger share than `share` is bad."""
    most = max(PIECE_BYTES, width * BYTES_A_COLUMN)
    mark, line, has_header, rows = delimiter.encode(), skipped + 1, False, 0
    left = bytes(stream.read(LONGEST_HEADER)).removeprefix(b"\xef\xbb\xbf").split(b"\n", skipped)[-1]
    while True:
        read = bytes(stream.read(most))
        records = Records(left + read, mark, not read)
        if not records.end and read:
            if len(records.data) > LONGEST_LINE:
                raise _too_long(records, line)
            left = records.data
            continue
        left = records.data[records.end :]
        used = records.used(width, 0 if has_header else 1)
        rows += int(np.count_nonzero(used))
        yield from _good(records, used, line, width, rejects)
        share.refuse_early(rows - rejects.count, rejects)
        line, has_header = line + records.data.count(b"\n", 0, records.end), True
        if not read:
            return


class Records:
    """The records in some bytes that begin with one: `starts` (n,) and `ends` (n,) of each without its line end, up to
    `end`; what is behind it goes on in the next bytes, unless these are the `last`."""

    def __init__(self, data: bytes, mark: bytes, last: bool) -> None:
        self.data, self._mark = data, mark
        self._odd: list[int] = []
        self._open: int | None = None
        self._plain = self._masked()
        self.end = len(data) if last else self._plain.rfind(b"\n") + 1
        if last and self._open is not None:
            self._odd.append(self._open)

    def _masked(self) -> bytes:
        """The bytes with those in quotes filled, but for the quotes of empty values."""
        if b'"' not in self.data:
            return self.data
        blanks = b"" if self._mark == b" " else b" *+"
        opening = rb"(?:\A|(?<=[\n\r])|(?<=" + re.escape(self._mark) + rb"))" + blanks
        quoted = re.compile(opening + rb'"[^"]*+(?:""[^"]*+)*+("?)' + blanks)
        ends = (b"", self._mark[:1], b"\n", b"\r")

        def fill(found: "re.Match[bytes]") -> bytes:
            if not found[1]:
                self._open = found.start()
            elif self.data[found.end() : found.end() + 1] not in ends:
                self._odd.append(found.start())
            return found[0] if found[0] == b'""' else FILLED * len(found[0])

        return quoted.sub(fill, self.data)

    @cached_property
    def _bytes(self) -> NDArray[np.uint8]:
        return np.frombuffer(self._plain, np.uint8, self.end)

    @cached_property
    def _line_ends(self) -> NDArray[np.int64]:
        """Where the line end of each record is."""
        found = np.flatnonzero(self._bytes == LF)
        unfinished = self.end and (not len(found) or found[-1] < self.end - 1)
        return np.append(found, self.end) if unfinished else found

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each record begins."""
        return np.asarray(np.r_[np.zeros(min(1, len(self._line_ends)), np.int64), self._line_ends[:-1] + 1])

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """Where each record ends, without its line end."""
        ends = self._line_ends
        before = self._bytes[np.maximum(ends - 1, 0)]
        return np.asarray(ends - ((before == CR) & (ends > self.starts)))

    def used(self, width: int, above: int) -> NDArray[np.bool_]:
        """Which records (n,) are rows: not those `above`, nor empty lines unless there is one column."""
        used = (self.ends > self.starts) | (width == 1)
        used[:above] = False
        return np.asarray(used)

    def fields(self) -> NDArray[np.int64]:
        """How many fields each record has (n,)."""
        if len(self._mark) == 1:
            marks = np.flatnonzero(self._bytes == self._mark[0])
        else:
            marks = np.array([one.start() for one in re.finditer(re.escape(self._mark), self._plain)], np.int64)
        return np.asarray(np.searchsorted(marks, self.ends) - np.searchsorted(marks, self.starts) + 1)

    def has_spare(self, place: int, width: int) -> bool:
        """Whether a record has more than `width` fields only because of empty ones behind its last value."""
        plain = self._plain[self.starts[place] : self.ends[place]].rstrip(self._mark + b'"')
        return plain.count(self._mark) < width

    def lone_returns(self) -> NDArray[np.int64]:
        """Which records have a CR within, outside of quotes: their places."""
        if b"\r" not in self._plain:
            return np.array([], np.int64)
        places = np.flatnonzero(self._bytes == CR)
        records = np.searchsorted(self._line_ends, places)
        return np.unique(records[places < self.ends[records]])

    def no_text(self) -> list[int]:
        """Which records are no UTF-8: their places."""
        try:
            self.data[: self.end].decode()
        except UnicodeDecodeError:
            pairs = zip(self.starts.tolist(), self.ends.tolist(), strict=True)
            return [place for place, (start, end) in enumerate(pairs) if not _is_text(self.data[start:end])]
        return []

    def lines(self, first: int) -> NDArray[np.int64]:
        """The line at which each record begins, the first one at `first`."""
        if self._plain is self.data:
            return np.arange(first, first + len(self.starts))
        line_ends = np.flatnonzero(np.frombuffer(self.data, np.uint8, self.end) == LF)
        return np.asarray(first + np.searchsorted(line_ends, self.starts))

    def refuse_open_quote(self, first: int) -> None:
        """Refused where a quote is never closed, or something but a delimiter follows the closing one."""
        odd = [place for place in self._odd if place < self.end]
        if odd:
            line = first + self.data.count(b"\n", 0, min(odd))
            where = f"line {line}: a quote is opened and never closed, so the rows after it cannot be told apart"
            raise Refused(where, "close the quote; in a quoted value, write a quote twice")


def _good(records: Records, used: NDArray[np.bool_], first: int, width: int, rejects: Rejects) -> Iterator[Piece]:
    """Pieces of the records that are `used` (n,), the first of all at line `first`; the bad ones are set aside."""
    records.refuse_open_quote(first)
    lines, fields = records.lines(first), records.fields()
    wrong = fields != width
    for place in np.flatnonzero(fields > width):
        wrong[place] = not records.has_spare(int(place), width)
    reasons: dict[int, str] = dict.fromkeys(records.lone_returns().tolist(), LONE_CR)
    reasons |= dict.fromkeys(records.no_text(), BAD_TEXT)
    wrong[list(reasons)] = True
    bad = np.flatnonzero(wrong & used)

    def reject(place: int) -> Reject:
        record = int(bad[place])
        start, end = int(records.starts[record]), int(records.ends[record])
        reason = reasons.get(record, f"the row has {fields[record]} values; expected {width}")
        return Reject(int(lines[record]), None, reason, _shown(records.data[start : min(end, start + LONGEST)]))

    rejects.add(lines[bad].tolist(), reject)
    good = np.flatnonzero(used & ~wrong)
    for begin in range(0, len(good), PIECE_ROWS):
        yield _piece(records, good[begin : begin + PIECE_ROWS], lines)


def _piece(records: Records, good: NDArray[np.int64], lines: NDArray[np.int64]) -> Piece:
    starts, ends = records.starts[good], records.ends[good]
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    text = b"\n".join([records.data[start:end] for start, end in pairs]) + b"\n"
    return Piece(text, lines[good], np.r_[0, np.cumsum(ends - starts + 1)[:-1]])


def _too_long(records: Records, line: int) -> Refused:
    records.end = len(records.data)
    if records._open is not None:
        records._odd.append(records._open)
    records.refuse_open_quote(line)
    return Refused(f"line {line} has more than {LONGEST_LINE:,} bytes", "shorten its texts, or write it as Parquet")


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(data: bytes) -> str:
    return data.decode("utf-8", "replace")
