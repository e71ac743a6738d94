"""Where the header of a table is, and its delimiter: some programs write lines about the file above it."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.reading.rejects import printable, shortened
from retrain.records.errors import Refused

DELIMITERS = (",", ";", "\t", "|")
LONGEST = 4 * 2**20
LOOKED_AT = 60
"""Rows in which the header is looked for."""
NO_NAME = re.compile(r"[-+\d.,:/%€$£()\s]*")


@dataclass(frozen=True)
class Header:
    """The delimiter, the column names, and how many lines are above them."""

    delimiter: str
    names: tuple[str, ...]
    skipped: int


def find_header(text: str, delimiter: str | None, wanted: Sequence[str]) -> Header:
    """The header in the first part of a file. The delimiter is the configured one, or that which finds most of the
    `wanted` names, or else most names. Refused where it cannot be read, or names a column twice."""
    if "\r" in text.rstrip("\r") and "\n" not in text:
        raise Refused("its lines end in CR alone", "save it with lines that end in LF or CR LF")
    tried = [_found(text, one, wanted) for one in ([delimiter] if delimiter else DELIMITERS)]
    header = max(tried, key=lambda one: (len(set(one.names) & set(wanted)), len(one.names)))
    refuse_doubles(header.names)
    return header


def refuse_doubles(names: Sequence[str]) -> None:
    """Refused where a column is named twice."""
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise Refused("the header names a column twice", "expected each column once", f": {_listed(twice)}")


def refuse_nul(names: Sequence[str]) -> None:
    """Refused where a name has the character NUL: DuckDB reads it up to there."""
    found = [name for name in names if "\0" in name]
    if found:
        raise Refused("the name of a column has the character NUL", "is it a text, and whole?", f": {_listed(found)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(shortened(printable(name)) for name in names[:5])


def refuse_alike(names: Sequence[str]) -> None:
    """Refused where two names differ by the case of Latin letters alone: DuckDB takes them for one."""
    spelled: dict[bytes, str] = {}
    for name in names:
        other = spelled.setdefault(name.encode("utf-8", "surrogateescape").lower(), name)
        if other != name:
            pair = " and ".join(repr(shortened(one)) for one in (other, name))
            raise Refused(f"columns {pair} differ by case alone", "rename one of them")


def _found(text: str, delimiter: str, wanted: Sequence[str]) -> Header:
    rows, lines = _rows(text, delimiter)
    place = header_row(rows, wanted)
    return Header(delimiter, tuple(column_names(rows[place])), lines[place] - 1)


def _rows(text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """The first rows that are not empty, and the line at which each begins."""
    csv.field_size_limit(LONGEST)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    rows, lines, line = [], [], 1
    try:
        for row in reader:
            if any(row):
                rows.append(row)
                lines.append(line)
            line = reader.line_num + 1
            if len(rows) == LOOKED_AT:
                break
    except csv.Error as error:
        if not rows:
            raise Refused(f"the header cannot be read: {error}") from None
    if not rows:
        raise Refused("the file is empty", "expected a header line and rows")
    return rows, lines


def column_names(row: Sequence[str]) -> list[str]:
    """The names in a header; one without a name is called by its place."""
    return [name.strip() or f"column {position}" for position, name in enumerate(row, start=1)]


def header_row(rows: Sequence[Sequence[str]], wanted: Sequence[str]) -> int:
    """Which row is the header. That is the first one, unless none of the wanted names is in there, and a later and
    longer one has most of them, or has different words at the width of the rows below and twice that of those above."""
    hits = [len({name.strip() for name in row} & set(wanted)) for row in rows]
    if hits[0]:
        return 0
    best = max(range(len(rows)), key=lambda place: (hits[place], -place))
    widths = [sum(map(bool, row)) for row in rows]
    if 2 * hits[best] >= len(wanted) > 0 and max(widths[:best], default=0) < widths[best]:
        return best
    usual = Counter(len(row) for row in rows).most_common(1)[0][0]
    for place, row in enumerate(rows[:-1]):
        if len(row) == usual and _are_names(row):
            return place if usual > 1 and 2 * max(widths[:place], default=0) <= widths[place] else 0
    return 0


def _are_names(row: Sequence[str]) -> bool:
    """Whether a row can be a header: different words, of which one at most is missing."""
    named = [name.strip() for name in row if name.strip()]
    return len(set(named)) == len(named) >= max(2, len(row) - 1) and not any(map(NO_NAME.fullmatch, named))
