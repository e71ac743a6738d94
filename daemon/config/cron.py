"""Standard cron expressions: five fields, Sunday is 0 and 7, and day of month OR weekday where both are given."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
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
    span, _, step = part.partition("/")
    if span in ("*", "?") and not step:
        return "*"
    first, last = (0, 6) if span in ("*", "?") else _span(span)
    if not step and first == last:
        return NAMES[first]
    stride = int(step) if step.isdigit() and int(step) > 0 else (1 if not step else 0)
    if not stride or first > last:
        raise ValueError(f"weekday {part!r} is no list of 0-7 or SUN-SAT; {EXPECTED}")
    return ",".join(dict.fromkeys(NAMES[number] for number in range(first, last + 1, stride)))


def _span(span: str) -> tuple[int, int]:
    ends = [_number(word) for word in span.split("-")]
    if len(ends) > 2:
        raise ValueError(f"weekday {span!r} is no range; {EXPECTED}")
    first, last = ends[0], ends[-1]
    return (first, 7) if last == 0 and first > 0 else (first, last)


def _number(word: str) -> int:
    if re.fullmatch(r"[0-7]", word):
        return int(word)
    if word.lower() in NAMES:
        return NAMES.index(word.lower())
    raise ValueError(f"weekday {word!r} is not one of 0-7 or SUN-SAT; {EXPECTED}")
