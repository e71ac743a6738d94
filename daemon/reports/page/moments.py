"""Moments as people read them, as near as they are, in UTC; the exact one is in the element and on hover, and a script
of the page says them in the zone of the reader."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

from drift.report.page import filled

TIME = '<time datetime="{{ iso }}" title="{{ utc }}"{% if exact %} data-exact{% endif %}>{{ words }}</time>'
DAY_S = 86_400.0


def moment(seconds: float, now: float, exact: bool = False) -> str:
    """The hour where it is near, to the second where that is asked for, else the day.

    >>> moment(0.0, 400 * DAY_S), moment(0.0, 3600.0), moment(DAY_S, 3600.0), moment(0.0, 2 * DAY_S)
    ('1 Jan 1970', 'today 00:00', 'tomorrow 00:00', 'Thursday 00:00')
    """
    at, today = datetime.fromtimestamp(seconds, UTC), datetime.fromtimestamp(now, UTC).date()
    clock = f"{at:%H:%M:%S}" if exact else f"{at:%H:%M}"
    if at.date() == today:
        return f"today {clock}"
    if at.date() == today + timedelta(days=1):
        return f"tomorrow {clock}"
    if today - timedelta(days=6) <= at.date() < today:
        return f"{at:%A} {clock}"
    return f"{at.day} {at:%b}" if at.year == today.year else f"{at.day} {at:%b %Y}"


def stamp(seconds: float) -> str:
    """A moment for a sentence, which `prose.marked` shows as an element.

    >>> stamp(0.0)
    '1970-01-01T00:00:00Z'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def time_element(seconds: float, now: float, exact: bool = False) -> Markup:
    """A moment as an element, to the second where that is asked for."""
    at = datetime.fromtimestamp(seconds, UTC)
    words = moment(seconds, now, exact)
    return filled(TIME, iso=stamp(seconds), utc=f"{at:%Y-%m-%d %H:%M:%S} UTC", words=words, exact=exact)


def age(seconds: float) -> str:
    """How long something has been so.

    >>> age(40.0), age(3700.0), age(9.2 * 86_400)
    ('just now', '1 hour', '9 days')
    """
    for unit, length in (("day", DAY_S), ("hour", 3600.0), ("minute", 60.0)):
        if (count := int(seconds // length)) >= 1:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "just now"


def with_seconds(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the timeline whose moment is ISO 8601, with it in Unix seconds.

    >>> with_seconds({"at": "1970-01-01T00:01:00+00:00"})
    {'at': 60.0}
    """
    return {**entry, "at": datetime.fromisoformat(entry["at"]).timestamp()}


def day(seconds: float) -> str:
    """A day for an axis, in UTC."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at.day} {at:%b}"
