"""Watermarks: the values of a column by which rows of a database are new, as the ledger keeps them. Pure."""

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

Watermark = int | float | Decimal | str | date | datetime
NUMBERS = (int, float, Decimal)
SECONDS_CHARS = 19
"""So many characters of an ISO time tell seconds."""


def kind_of(value: Any) -> str | None:
    """What a watermark is: number, moment, date or text (which is an ISO date or time); None of what has no order that
    all databases agree on.

    >>> kind_of(7), kind_of("2026-01-31T10:00:00Z"), kind_of("x"), kind_of(True), kind_of(float("nan"))
    ('number', 'text', None, None, None)
    """
    if isinstance(value, bool) or (isinstance(value, float | Decimal) and math.isnan(value)):
        return None
    if isinstance(value, NUMBERS):
        return "number"
    if isinstance(value, datetime):
        return "moment"
    if isinstance(value, date):
        return "date"
    return "text" if isinstance(value, str) and _is_iso(value) else None


def to_json(value: Watermark) -> dict[str, Any]:
    """As plain JSON.

    >>> to_json(Decimal("1.50")), to_json(date(2026, 1, 31))
    ({'type': 'Decimal', 'value': '1.50'}, {'type': 'date', 'value': '2026-01-31'})
    """
    if isinstance(value, date):
        return {"type": type(value).__name__, "value": value.isoformat()}
    return {"type": type(value).__name__, "value": str(value) if isinstance(value, Decimal) else value}


def from_json(stored: dict[str, Any]) -> Watermark:
    """The inverse.

    >>> from_json(to_json(datetime(2026, 1, 31, 10)))
    datetime.datetime(2026, 1, 31, 10, 0)
    """
    text = stored["value"]
    match stored["type"]:
        case "datetime":
            return datetime.fromisoformat(text)
        case "date":
            return date.fromisoformat(text)
        case "Decimal":
            return Decimal(text)
        case "float":
            return float(text)
    found: int | str = text
    return found


def lowered(value: Watermark, by: float) -> Watermark:
    """What lies so far before, in seconds or units of a number; of dates whole days, of texts as they are written but
    no further than to seconds, which is before all that begins so.

    >>> lowered(100, 10), lowered("2026-01-31T10:00:00.5Z", 60), lowered(date(2026, 1, 31), 3600)
    (90, '2026-01-31T09:59:00', datetime.date(2026, 1, 30))
    """
    if not by:
        return value
    if isinstance(value, NUMBERS):
        step = type(value)(math.ceil(by) if isinstance(value, int) else by)
        return value - step  # type: ignore[operator]  # both of one type
    try:
        if isinstance(value, datetime):
            return value - timedelta(seconds=by)
        if isinstance(value, date):
            return value - timedelta(days=math.ceil(by / 86400))
        if len(value) < SECONDS_CHARS:
            return lowered(date.fromisoformat(value[:10]), by).isoformat()  # type: ignore[union-attr]
        moment = datetime.fromisoformat(value[:SECONDS_CHARS]) - timedelta(seconds=math.ceil(by))
        return moment.isoformat(sep=value[10], timespec="seconds")
    except OverflowError:  # before the year 1
        return str(date.min) if isinstance(value, str) else _first(value)


def _first(value: date) -> date:
    if not isinstance(value, datetime):
        return date.min
    return datetime.min.replace(tzinfo=value.tzinfo)


def _is_iso(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10 or (len(text) >= SECONDS_CHARS and text[4] == "-")
