"""Numbers and dates written as people write them, such as "1.234,56 €", as the text that programs write: "1234.56"."""

import contextlib
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from retrain.records.formats import Formats

SPACE = "[ \u00a0\u2009\u202f]"
CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p")
BETWEEN = (" ", ", ", "T")
FIRST_YEAR = 1000
"""A year of two digits that is read as one of four is none."""
MARKS = {"": "", ".": r"\.", ",": ",", " ": SPACE, "'": "['’]"}
"""A mark as a pattern of what is written for it."""


def plain_numbers(texts: Any, formats: Formats) -> Any:
    """The numbers of an Arrow array of texts as plain text; null where a text is no number of these formats. A space
    for a group must stand between groups of three digits, as every mark.

    >>> plain_numbers(pa.array(["1.234,5 €", "-0,25", "1.5"]), Formats(",", ".", currency=("€",))).to_pylist()
    ['1234.5', '-0.25', None]
    """
    if pc.all(pc.match_substring_regex(texts, _bare_pattern(formats)), skip_nulls=True).as_py() is not False:
        return _without_marks(pc.utf8_trim_whitespace(texts), formats)
    return _extracted(texts, formats)


def plain_moments(texts: Any, formats: Formats) -> Any:
    """The dates of an Arrow array of texts in ISO 8601; a text of none of these formats stays.

    >>> texts = pa.array(["31.12.2025", "31.12.2025 8:30", "soon", None])
    >>> plain_moments(texts, Formats(date_format=("%d.%m.%Y",))).to_pylist()
    ['2025-12-31T00:00:00', '2025-12-31T08:30:00', 'soon', None]
    """
    tried = [one for date_format in formats.date_format for one in with_clocks(date_format)]
    known = {text: _plain_moment(text, tried) for text in pc.unique(texts).to_pylist() if text is not None}
    return pa.array([known.get(text) for text in texts.to_pylist()], pa.string())


def _plain_moment(text: str, formats: Sequence[str]) -> str:
    for one in formats:
        with contextlib.suppress(ValueError):
            moment = datetime.strptime(text.strip(), one)
            if moment.year >= FIRST_YEAR:
                return moment.isoformat()
    return text


def with_clocks(date_format: str) -> list[str]:
    """The format, and where it names no time of day, those with one behind."""
    if any(code in date_format for code in ("%H", "%I", "%X", "%c")):
        return [date_format]
    return [date_format, *(f"{date_format}{between}{clock}" for between in BETWEEN for clock in CLOCKS)]


def _without_marks(numbers: Any, formats: Formats) -> Any:
    """Digits and marks as plain text."""
    if formats.thousands:
        numbers = pc.replace_substring_regex(numbers, MARKS[formats.thousands], "")
    return numbers if formats.decimal == "." else pc.replace_substring(numbers, formats.decimal, ".")


def _extracted(texts: Any, formats: Formats) -> Any:
    """The same of texts with signs, currencies and more; several times slower."""
    parts = pc.extract_regex(texts, _pattern(formats))

    def part(name: str) -> Any:
        return pc.struct_field(parts, name)

    opened, closed = pc.equal(part("open"), "("), pc.equal(part("close"), ")")
    signs = pc.binary_join_element_wise(part("sign"), part("inner"), part("tail"), "")
    negative = pc.or_(opened, pc.match_substring_regex(signs, "[-−]"))
    digits = _without_marks(pc.binary_join_element_wise(part("whole"), part("fraction"), ""), formats)
    number = pc.binary_join_element_wise(pc.if_else(negative, "-", ""), digits, part("exponent"), "")
    one_sign = pc.less(pc.utf8_length(signs), 2)
    return pc.if_else(pc.and_(pc.equal(opened, closed), one_sign), number, pa.scalar(None, pa.string()))


def _whole(formats: Formats) -> str:
    """Digits, in groups or not."""
    if not formats.thousands:
        return "[0-9]+"
    mark = MARKS[formats.thousands]
    middle = "(?:,[0-9]{2,3})*,[0-9]{3}" if formats.thousands == "," else f"(?:{mark}[0-9]{{3}})+"  # 12,34,567 in India
    return f"(?:[0-9]{{1,3}}{middle}|[0-9]+)"


@lru_cache(maxsize=64)
def _bare_pattern(formats: Formats) -> str:
    """A number with nothing but a minus beside it."""
    return rf"^\s*-?{_whole(formats)}(?:{MARKS[formats.decimal]}[0-9]+)?\s*$"


@lru_cache(maxsize=64)
def _pattern(formats: Formats) -> str:
    """Sign and currency on either side of the digits, as far as the formats allow them; in RE2's syntax."""
    decimal = MARKS[formats.decimal]
    words = "|".join(re.escape(word) for word in sorted(formats.currency, key=len, reverse=True))
    beside = f"(?:{words})?" if words else ""
    percent = "%?" if formats.percent else ""
    brackets = (r"\(?", r"\)?", "-?") if formats.accounting else ("", "", "")
    return (
        rf"^\s*(?P<open>{brackets[0]})\s*(?P<sign>[-+−]?){SPACE}*{beside}{SPACE}*(?P<inner>[-+−]?)"
        rf"(?P<whole>{_whole(formats)}|)(?P<fraction>(?:{decimal}[0-9]+)?)(?P<exponent>(?:[eE][-+]?[0-9]+)?)"
        rf"{SPACE}*{percent}{SPACE}*{beside}{SPACE}*(?P<tail>{brackets[2]})\s*(?P<close>{brackets[1]})\s*$"
    )
