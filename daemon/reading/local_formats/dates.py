"""Which format the dates of a column are written in, as far as its texts can tell."""

import re
from dataclasses import dataclass

from daemon.reading.local_formats.shapes import LONGEST, Shapes, is_missing_word

CLOCK = r"(?:[ T,]+9{1,2}:99(?::99(?:[.,]9+)?)?(?: ?[AaPp]\.?[Mm]\.?)?)?"
YEARS = {4: "%Y", 2: "%y"}
NUMERIC = re.compile(rf"9{{1,2}}(?P<mark>[./-])9{{1,2}}(?P=mark)(?P<year>9{{4}}|9{{2}}){CLOCK}")
YEAR_FIRST = re.compile(rf"9{{4}}\.9{{1,2}}\.9{{1,2}}{CLOCK}")
MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
NAMED = {
    "%d %b %Y": re.compile(rf"9{{1,2}} {MONTH} 9{{4}}{CLOCK}", re.IGNORECASE),
    "%d-%b-%Y": re.compile(rf"9{{1,2}}-{MONTH}-9{{4}}{CLOCK}", re.IGNORECASE),
    "%d-%b-%y": re.compile(rf"9{{1,2}}-{MONTH}-9{{2}}{CLOCK}", re.IGNORECASE),
    "%b %d, %Y": re.compile(rf"{MONTH} 9{{1,2}}, 9{{4}}{CLOCK}", re.IGNORECASE),
}


@dataclass(frozen=True)
class Dates:
    """A column of dates: the `formats` that its texts fit, two where day and month cannot be told apart; the texts that
    are `missing`."""

    formats: tuple[str, ...]
    missing: tuple[str, ...]
    example: str


def dates_of(shapes: Shapes, largest: tuple[int, int]) -> Dates | None:
    """What the dates of a column are, given the largest first and second number in its texts; None where it has other
    texts, or no format fits all of them."""
    found: set[tuple[str, ...]] = set()
    missing, example = [], ""
    for shape, seen in shapes.items():
        formats = _formats(shape.replace("0", "9"), largest)
        if formats:
            found.add(formats)
            example = example or seen.example
        elif is_missing_word(seen.example):
            missing.append(seen.example)
        else:
            return None
    return Dates(found.pop(), tuple(sorted(missing)), example) if len(found) == 1 else None


def _formats(shape: str, largest: tuple[int, int]) -> tuple[str, ...]:
    if len(shape) > LONGEST:
        return ()
    if match := NUMERIC.fullmatch(shape):
        mark, year = match["mark"], YEARS[len(match["year"])]
        day_first, month_first = (mark.join((*order, year)) for order in (("%d", "%m"), ("%m", "%d")))
        orders = [(day_first, (31, 12)), (month_first, (12, 31))] if mark != "." else [(day_first, (31, 12))]
        return tuple(f for f, most in orders if largest[0] <= most[0] and largest[1] <= most[1])
    if YEAR_FIRST.fullmatch(shape):
        return ("%Y.%m.%d",)
    return tuple(date_format for date_format, pattern in NAMED.items() if pattern.fullmatch(shape))
