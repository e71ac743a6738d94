"""Standard cron expressions: five fields, Sunday is 0 and 7, and day of month OR weekday where both are given."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = f"[0-7]|{'|'.join(NAMES[:7])}"
WEEKDAYS = re.compile(rf"(?:(?P<any>[*?])|(?P<first>{DAY})(?:-(?P<last>{DAY}))?)(?:/(?P<step>[1-9][0-9]*))?", re.I)
SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
EXPECTED = 'expected five fields "minute hour day month weekday", such as "*/15 * * * *"'


def cron_trigger(expression: str, timezone: str) -> BaseTrigger:
    """The trigger of a cron expression in a time zone; ValueError says what is wrong with it.

    Where the clocks go back, an expression that names hours fires at the first of two equal times only.

    >>> cron_trigger("0 * * * 7", "UTC")
    <CronTrigger (month='*', day='*', day_of_week='sun', hour='*', minute='0', timezone='UTC')>
    """
    fields = SHORT.get(expression.strip().lower(), expression).split()
    if len(fields) != 5:
        raise ValueError(f"{expression!r} has {len(fields)} fields; {EXPECTED}")
    minute, hour, day, month, weekday = fields
    zone = ZoneInfo(timezone)
    common = {"minute": minute, "hour": hour, "month": month, "timezone": zone}
    weekdays = _weekdays(weekday)
    try:
        if _any(day) or _any(weekday):
            trigger: BaseTrigger = CronTrigger(**common, day=day, day_of_week=weekdays)
        else:
            trigger = OrTrigger([CronTrigger(**common, day=day), CronTrigger(**common, day_of_week=weekdays)])
    except ValueError as error:
        raise ValueError(f"{expression!r}: {error}; {EXPECTED}") from None
    if trigger.get_next_fire_time(None, datetime(2024, 1, 1, tzinfo=zone)) is None:
        raise ValueError(f"{expression!r} never comes: no such month has that day")
    return trigger if hour == "*" else NotTwice(trigger, zone)


class NotTwice(BaseTrigger):  # type: ignore[misc] # untyped library
    """A trigger without its second of two equal local times."""

    def __init__(self, trigger: BaseTrigger, zone: ZoneInfo) -> None:
        self._trigger, self._zone = trigger, zone

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The next moment after both."""
        while True:
            found: datetime | None = self._trigger.get_next_fire_time(previous_fire_time, now)
            if found is None or not found.astimezone(UTC).astimezone(self._zone).fold:
                return found
            previous_fire_time, now = found, found.astimezone(UTC) + timedelta(microseconds=1)


def _any(field: str) -> bool:
    return field.startswith("*") or field == "?"


def _weekdays(field: str) -> str:
    """Numbers of cron (0 and 7 are Sunday) as the names that APScheduler knows; its own numbers differ."""
    return ",".join(_weekday_part(part) for part in field.split(","))


def _weekday_part(part: str) -> str:
    found = WEEKDAYS.fullmatch(part)
    if found is None:
        raise ValueError(f"weekday {part!r} is not one of 0-7 or SUN-SAT, nor a range of them; {EXPECTED}")
    if found["any"] and not found["step"]:
        return "*"
    first = _number(found["first"] or "sun")
    last = _number(found["last"] or found["first"] or "sat")
    if last == 0 < first:
        last = 7
    if first > last:
        raise ValueError(f"weekday {part!r} ends before it begins; {EXPECTED}")
    return ",".join(dict.fromkeys(NAMES[number] for number in range(first, last + 1, int(found["step"] or 1))))


def _number(day: str) -> int:
    return int(day) if day.isdigit() else NAMES.index(day.lower())
