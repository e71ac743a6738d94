"""Points in time as the hour and the weekday that they fall on."""

from collections.abc import Iterator

import numpy as np

from drift.profiles.categorical import Codes
from drift.profiles.profile import ColumnValues
from drift.statistics.scores import Floats

HOURS = tuple(f"{hour:02d}" for hour in range(24))
WEEKDAYS = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")
"""From the first day of Unix time on."""


def calendar_columns(name: str, seconds: Floats) -> Iterator[tuple[str, ColumnValues]]:
    """ "NAME (hour)" and "NAME (weekday)" of n Unix times in seconds, UTC; NaN is missing.

    >>> [(column, codes.names[codes.codes[0]]) for column, codes in calendar_columns("at", np.array([0.0]))]
    [('at (hour)', '00'), ('at (weekday)', 'Thursday')]
    """
    known = np.isfinite(seconds)
    whole = np.floor(np.where(known, seconds, 0.0))
    hours = np.where(known, whole // 3600 % 24, -1).astype(np.int64)
    days = np.where(known, whole // 86_400 % 7, -1).astype(np.int64)
    yield f"{name} (hour)", Codes(hours, HOURS)
    yield f"{name} (weekday)", Codes(days, WEEKDAYS)
