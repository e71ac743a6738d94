"""Schedules on a clock that is set while they wait: nothing stalls, and nothing fires for each hour that was skipped."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import apscheduler.schedulers.base
import pytest

import daemon.service.schedule
from daemon.service.schedule import Schedule
from retrain.records.settings import ModelSettings

HOURLY = ModelSettings.model_validate(
    {"data_dir": "d", "task": "classification", "target": "y", "check_schedule": "0 * * * *"}
)
HOUR = 3600.0


class Clock:
    """A wall clock that can be set."""

    def __init__(self) -> None:
        self.set_by_s = 0.0

    def time(self) -> float:
        """Unix seconds."""
        return time.time() + self.set_by_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the scheduler reads."""
    mine = Clock()

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=mine.set_by_s)

    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Shifted)
    monkeypatch.setattr(daemon.service.schedule, "datetime", Shifted)
    return mine


def told(clock: Clock, set_by_s: float) -> tuple[list[float], float, float]:
    """What fired within moments after the clock was set; the jump that was seen; and when the next check is due, in
    seconds from then."""
    fired: list[float] = []

    async def story() -> tuple[float, float]:
        schedule = Schedule("UTC", lambda name, kind, at: fired.append(at))
        schedule.start()
        schedule.set_model("m", HOURLY)
        assert schedule.look_at_clock(clock.time(), time.monotonic()) == 0.0
        clock.set_by_s += set_by_s
        jump_s = schedule.look_at_clock(clock.time(), time.monotonic())
        assert schedule.look_at_clock(clock.time(), time.monotonic()) == 0.0
        await _some_turns(lambda: bool(fired))
        next_s = schedule._scheduler.get_job("m:check").next_run_time.timestamp() - clock.time()
        schedule.stop()
        return jump_s, next_s

    return (fired, *asyncio.run(story()))


async def _some_turns(probe: Callable[[], bool]) -> None:
    """Let the loop run until the probe is true, at most a quarter of a second."""
    for _ in range(25):
        if probe():
            return
        await asyncio.sleep(0.01)


def test_a_jump_of_hours_forward_fires_once_and_at_once(clock: Clock) -> None:
    """Five missed checks are one, and the next is due at the next full hour."""
    fired, jump_s, next_s = told(clock, 5 * HOUR)
    assert len(fired) == 1 and jump_s == pytest.approx(5 * HOUR, abs=5)
    assert 0 < next_s <= HOUR


def test_a_jump_of_hours_backward_neither_fires_nor_stalls(clock: Clock) -> None:
    """The next check is due at the next full hour of the clock as it is now, not hours later."""
    fired, jump_s, next_s = told(clock, -5 * HOUR)
    assert not fired and jump_s == pytest.approx(-5 * HOUR, abs=5)
    assert 0 < next_s <= HOUR


def test_a_clock_that_is_adjusted_a_little_changes_nothing(clock: Clock) -> None:
    """Seconds are no jump."""
    assert told(clock, 3.0)[1] == 0.0
