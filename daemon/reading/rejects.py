"""Bad rows: where, what, and what was expected."""

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from retrain.records.settings import ColumnKind

EXPECTED: dict[ColumnKind, str] = {
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "datetime": "a date and time such as 2024-05-01T12:00:00Z",
    "category": "text",
    "text": "text",
}
LONGEST = 500


@dataclass(frozen=True)
class Reject:
    """A row that was set aside: its line (of a Parquet file its row, from 1), column and reason."""

    line: int | None
    column: str | None
    reason: str
    raw: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def misfit(value: object, kind: ColumnKind) -> str:
    """What is wrong with a value.

    >>> misfit("x", "integer")
    "'x' is not a whole number"
    """
    shown = format(value.normalize(), "f") if isinstance(value, Decimal) else shortened(repr(value))
    return f"{shown} is not {EXPECTED[kind]}"


def printable(text: str) -> str:
    """A name with what must not reach a terminal escaped: control characters, and bytes that are no text.

    >>> printable("a\\x1b[31m\\n☂")
    'a\\\\x1b[31m\\\\n☂'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, most: int = 80) -> str:
    """At most that many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"
