"""Moments as people read them, as near as they are; the exact one in UTC is in the element and on hover."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

from drift.report.page import filled

TIME = '<time datetime="{{ iso }}" title="{{ utc }}">{{ words }}</time>'
DAY_S = 86_400.0


def moment(seconds: float, now: float) -> str:
    """In local time: the hour where it is near, else the day.

    >>> moment(0.0, 400 * 86_400.0)[-4:]
    '1970'
    """
    at, today = datetime.fromtimestamp(seconds), datetime.fromtimestamp(now).date()
    clock = f"{at:%H:%M}"
    if at.date() == today:
        return f"today {clock}"
    if at.date() == today + timedelta(days=1):
        return f"tomorrow {clock}"
    if today - timedelta(days=6) <= at.date() < today:
        return f"{at:%A} {clock}"
    return f"{at.day} {at:%b}" if at.year == today.year else f"{at.day} {at:%b %Y}"


def time_element(seconds: float, now: float) -> Markup:
    """The same as an element."""
    at = datetime.fromtimestamp(seconds, UTC)
    return filled(TIME, iso=f"{at:%Y-%m-%dT%H:%M:%SZ}", utc=f"{at:%Y-%m-%d %H:%M:%S} UTC", words=moment(seconds, now))


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
    """A day for an axis, in local time."""
    at = datetime.fromtimestamp(seconds)
    return f"{at.day} {at:%b}"
