"""The shape of a text: what is left where digits do not count, so that a column of numbers has few."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from daemon.reading.sql import literal

LONGEST = 40
"""Characters of a number or a date; a longer text is none."""
LEADING_ZERO = "^[^0-9]*0[0-9.,]"
TRAILING_ZERO = "[.,][0-9]*0[^0-9]*$"
MISSING_WORDS = (
    "-", "--", "---", "–", "—", "?", ".", "..", "...", "n/a", "#n/a", "#nv", "n.a.", "n. a.", "n.v.", "n. v.", "k.a.",
    "k. a.", "none", "nil", "null", "(null)", "<null>", "\\n", "nan", "missing", "unknown", "not available",
    "unbekannt", "keine angabe", "s/d", "n/d", "#value!", "#wert!", "#div/0!", "#ref!", "#bezug!", "#num!", "#zahl!",
    "#name?",
)  # fmt: skip
"""What stands for a missing value among numbers and dates, in lower case."""


@dataclass(frozen=True)
class Shape:
    """How many texts of a column have a shape, and one of them."""

    count: int
    example: str


Shapes = Mapping[str, Shape]


def shape(text: str) -> str:
    """Digits as 9; a zero that begins a longer number, and one that ends a fraction, stay.

    >>> shape("1.234,50 €"), shape("0.5"), shape("007"), shape("0")
    ('9.999,90 €', '0.9', '099', '9')
    """
    digits = re.sub("[0-9]", "9", text)
    if re.search(LEADING_ZERO, text):
        digits = digits.replace("9", "0", 1)
    return re.sub("9([^9]*)$", r"0\1", digits) if re.search(TRAILING_ZERO, text) else digits


def shape_sql(text: str) -> str:
    """The same of an SQL expression."""
    digits = f"regexp_replace({text}, '[0-9]', '9', 'g')"
    begun = (
        f"CASE WHEN regexp_matches({text}, {literal(LEADING_ZERO)}) "
        f"THEN regexp_replace({digits}, '9', '0') ELSE {digits} END"
    )
    return (
        f"CASE WHEN regexp_matches({text}, {literal(TRAILING_ZERO)}) "
        f"THEN regexp_replace({begun}, '9([^9]*)$', '0\\1') ELSE {begun} END"
    )


def shapes_of(texts: Iterable[str]) -> dict[str, Shape]:
    """The shapes of texts; of one that is longer than a number its beginning, which is as long as none."""
    found: dict[str, Shape] = {}
    for text in map(str.strip, texts):
        if text:
            key = shape(text) if len(text) <= LONGEST else text[: LONGEST + 1]
            before = found.get(key)
            found[key] = Shape(1, text) if before is None else Shape(before.count + 1, before.example)
    return found


def is_missing_word(text: str) -> bool:
    """Whether a text stands for a missing value among numbers or dates."""
    return text.strip().lower() in MISSING_WORDS
