"""Schedules mean what cron means."""

from datetime import UTC, datetime, timedelta

import pytest

from daemon.config.cron import cron_trigger

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday


def fires(expression: str, count: int = 3, zone: str = "UTC", start: datetime = START) -> list[str]:
    """The next times."""
    trigger, now, found = cron_trigger(expression, zone), start, []
    for _ in range(count):
        moment = trigger.get_next_fire_time(None, now)
        found.append(moment.astimezone(UTC).strftime("%m-%d %H:%M %a"))
        now = moment.astimezone(UTC) + timedelta(seconds=1)
    return found


@pytest.mark.parametrize("sunday", ["0", "7", "SUN", "sun"])
def test_zero_and_seven_are_sunday(sunday):
    """Unlike the scheduler's own numbers."""
    assert fires(f"0 3 * * {sunday}", 2) == ["01-07 03:00 Sun", "01-14 03:00 Sun"]


def test_weekday_ranges_lists_and_steps():
    """1-5 is Monday to Friday, 5-7 reaches Sunday."""
    assert fires("0 0 * * 1-5", 1, start=START + timedelta(days=4, hours=1)) == ["01-08 00:00 Mon"]
    assert fires("0 0 * * 5-7", 3) == ["01-05 00:00 Fri", "01-06 00:00 Sat", "01-07 00:00 Sun"]
    assert fires("0 0 * * MON,3", 3) == ["01-01 00:00 Mon", "01-03 00:00 Wed", "01-08 00:00 Mon"]


def test_day_and_weekday_are_alternatives():
    """Where both are given, either is enough."""
    assert fires("0 0 5 * 1", 3) == ["01-01 00:00 Mon", "01-05 00:00 Fri", "01-08 00:00 Mon"]


def test_time_zones_and_shorthands():
    """In the configured zone."""
    assert fires("@daily", 1, "Europe/Vienna") == ["01-01 23:00 Mon"]
    assert fires("*/15 * * * *", 2) == ["01-01 00:00 Mon", "01-01 00:15 Mon"]


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "61 * * * *", "0 0 * * 8", "0 0 * * MUN", "0 0 * * 5-2", "a b c d e"]
)
def test_nonsense_is_refused(expression):
    """The message says what was expected."""
    with pytest.raises(ValueError, match="expected five fields"):
        cron_trigger(expression, "UTC")


@pytest.mark.parametrize("expression", ["30 2 * * *", "30 2 * * 0"])
def test_named_hours_happen_once_where_clocks_change(expression):
    """In Vienna 02:30 is missing on a day in March and comes twice on one in October: it fires once on both."""
    for day, hour in ((datetime(2026, 3, 29, tzinfo=UTC), 1), (datetime(2026, 10, 25, tzinfo=UTC), 0)):
        found = fires(expression, 8, "Europe/Vienna", start=day - timedelta(hours=2))
        that_day = [one for one in found if one.startswith(f"{day:%m-%d}")]
        assert that_day == [f"{day:%m-%d} {hour:02d}:30 Sun"]


def test_every_hour_is_every_hour_where_clocks_change():
    """Elapsed time counts: no hour is left out or comes late."""
    for day in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
        found = fires("0 * * * *", 6, "Europe/Vienna", start=day)
        assert [one[6:8] for one in found] == [f"{hour:02d}" for hour in range(6)]
