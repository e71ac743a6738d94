"""Moments for machines."""

from datetime import UTC, datetime


def iso(seconds: float | None) -> str | None:
    """ISO 8601 in UTC.

    >>> iso(0.0), iso(None)
    ('1970-01-01T00:00:00+00:00', None)
    """
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
