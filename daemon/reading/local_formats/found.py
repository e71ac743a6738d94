"""What the local formats of a whole file are: what its columns tell together, and what remains unclear."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from daemon.reading.local_formats.dates import Dates
from daemon.reading.local_formats.findings import (
    Finding,
    date_finding,
    missing_finding,
    number_finding,
    plain_finding,
    unclear_date,
    unclear_number,
)  # fmt: skip
from daemon.reading.local_formats.numbers import Numbers
from retrain.records.formats import PLAIN, Formats, configured_formats
from retrain.records.settings import ColumnKind, IntakeSettings

MARKS_OF_THOUSANDS = (".", ",", " ", "'")
How = Literal["configured", "evident", "assumed"]


@dataclass(frozen=True)
class Columns:
    """What is known of a file's columns: `numbers` and `dates` in text; `points` are columns of plain numbers that have
    a decimal point for sure; `delimiter` is the file's, if it has one; `missing` are the words for missing values of
    further columns, `doubts` why columns that look like numbers are none, `declared` those that are text by the file's
    own types."""

    numbers: Mapping[str, Numbers]
    dates: Mapping[str, Dates]
    points: tuple[str, ...] = ()
    delimiter: str = ""
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    declared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """The formats, the kinds of the columns that are written in them, the columns that are plain in spite of them, and
    what is to be told. `certain` where some numbers can be read in one way only."""

    formats: Formats = PLAIN
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    plain: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()
    certain: bool = False


@dataclass(frozen=True)
class Decimal:
    """The decimal mark, and why."""

    mark: str
    how: How
    reason: str = ""


def find_formats(columns: Columns, intake: IntakeSettings) -> Found:
    """The formats of a file's texts; what the configuration says is taken as said."""
    decimal = decimal_mark(columns, intake)
    thousands = _thousands(columns, decimal.mark, intake)
    marks = (decimal.mark, thousands)
    local = {name: c for name, c in columns.numbers.items() if marks in c.marks and (marks != (".", "") or not c.plain)}
    plain = {name for name, c in columns.numbers.items() if name not in local and c.plain}
    date_formats, assumed = _date_formats(columns, intake, decimal)
    dated = {name: dates for name, dates in columns.dates.items() if set(dates.formats) & set(date_formats)}
    of_numbers = [columns.numbers[name].missing for name in (*local, *plain)]
    missing = chain(*columns.missing.values(), *of_numbers, *(dates.missing for dates in dated.values()))
    found = Formats(
        decimal.mark, thousands, date_formats, tuple(sorted(set(missing))),
        percent=any(c.percent for c in local.values()), accounting=any(c.accounting for c in local.values()),
        currency=tuple(sorted({sign for c in local.values() for sign in c.currency})),
    )  # fmt: skip
    formats = configured_formats(intake, found)
    kinds: dict[str, ColumnKind] = {name: _kind(c, thousands) for name, c in local.items()}
    kinds |= dict.fromkeys(dated, "datetime")
    told = [*_number_findings(columns, formats, decimal, local, plain), *_date_findings(columns, formats, assumed)]
    told += [missing_finding(name, words) for name, words in columns.missing.items()]
    told += [Finding(name, "not understood", f"{why}: it is left as text") for name, why in columns.doubts.items()]
    told += [
        Finding(name, "understood", "is text in the file: a category, though it looks like numbers")
        for name in columns.declared
    ]
    apart = plain | set(columns.points) if formats.decimal != "." else set()
    certain = bool(columns.points or columns.numbers) and decimal.how != "assumed"
    return Found(formats, kinds, frozenset(apart), tuple(told), certain)


def decimal_mark(columns: Columns, intake: IntakeSettings) -> Decimal:
    """What is evident, from columns that can be read in one way only and from dates, comes before what is usual beside
    the delimiter: programs that write semicolons do so because the comma is the decimal mark."""
    configured = configured_formats(intake).decimal
    if intake.decimal is not None or intake.thousands in (".", ","):
        return Decimal(configured, "configured")
    only = {mark: [n for n, c in columns.numbers.items() if c.only(mark) and not c.plain] for mark in ".,"}
    unclear = [name for name, c in columns.numbers.items() if c.unclear]
    points = [*only["."], *columns.points, *(n for n, c in columns.numbers.items() if c.only(".") and c.plain)]
    if only[","] and len(only[","]) >= len(only["."]):
        return Decimal(",", "assumed" if points and unclear else "evident", f"as in {only[','][0]!r}")
    if points:
        return Decimal(".", "evident", f"as in {points[0]!r}")
    if not unclear:
        return Decimal(".", "evident")
    if dotted := [name for name, dates in columns.dates.items() if dates.formats[0].startswith("%d.%m")]:
        return Decimal(",", "evident", f"as the dates of {dotted[0]!r} are written")
    if columns.delimiter == ";":
        return Decimal(",", "assumed", "as is usual where semicolons separate columns")
    return Decimal(".", "assumed", "as programs write numbers")


def _thousands(columns: Columns, decimal: str, intake: IntakeSettings) -> str:
    """The mark that most columns need which have no other way to be numbers."""
    if intake.thousands is not None:
        return intake.thousands
    votes: Counter[str] = Counter()
    for column in columns.numbers.values():
        fitting = {thousands for mark, thousands in column.marks if mark == decimal}
        if "" not in fitting:
            votes.update(fitting)
    return max(MARKS_OF_THOUSANDS, key=lambda mark: votes[mark]) if votes else ""


def _date_formats(columns: Columns, intake: IntakeSettings, decimal: Decimal) -> tuple[tuple[str, ...], frozenset[str]]:
    """The formats of dates, and which of them are assumed. Where day and month cannot be told apart, the file's other
    dates tell, else its numbers: the day comes first where the comma is the decimal mark, the month beside dollars."""
    if intake.date_format is not None:
        return intake.date_format, frozenset()
    clear = {dates.formats[0] for dates in columns.dates.values() if len(dates.formats) == 1}
    dollars = any("$" in column.currency for column in columns.numbers.values())
    first = "%d" if decimal.mark == "," else "%m" if dollars else ""
    unclear = [dates.formats for dates in columns.dates.values() if not set(dates.formats) & clear]
    assumed = frozenset(f for formats in unclear for f in formats if first and f.startswith(first))
    return tuple(sorted(clear | assumed)), assumed


def _kind(column: Numbers, thousands: str) -> ColumnKind:
    whole = thousands in column.whole and not (column.currency or column.percent)
    return "integer" if whole else "number"


def _number_findings(
    columns: Columns, formats: Formats, decimal: Decimal, local: Mapping[str, Numbers], plain: set[str]
) -> Iterator[Finding]:
    for name, column in columns.numbers.items():
        if name in local and not (column.unclear and decimal.how == "assumed"):
            yield number_finding(name, column, formats, decimal.reason if column.unclear else "")
        elif column.unclear and (name in local or name in plain):
            yield unclear_number(name, column, formats, decimal.how, decimal.reason, name in local)
        elif name in plain and (formats.numbers or column.missing):
            yield plain_finding(name, column, formats)
        elif name not in plain:
            yield Finding(name, "not understood", f"has numbers unlike the file's others ({column.example!r})")


def _date_findings(columns: Columns, formats: Formats, assumed: frozenset[str]) -> Iterator[Finding]:
    for name, dates in columns.dates.items():
        chosen = [date_format for date_format in dates.formats if date_format in formats.date_format]
        is_assumed = len(dates.formats) > 1 and bool(assumed.intersection(chosen))
        yield date_finding(name, dates, chosen[0], is_assumed) if chosen else unclear_date(name, dates)
