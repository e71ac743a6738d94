"""Parts that fail again and again: told at once, then seldom, and tried ever more seldom."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import DatabaseError
from structlog.testing import capture_logs

from daemon.runtime.log import get_logger
from daemon.runtime.restarting import supervise, way_out

FULL = OSError(28, "No space left on device")


def kept(monkeypatch: pytest.MonkeyPatch, failures: list[Exception | float]) -> tuple[list[Any], list[float]]:
    """The events of a part that fails like this, with the moment of each, and the pauses. A number is a time for which
    it worked."""
    clock, pauses, left = SimpleNamespace(now=0.0), [], list(failures)
    monkeypatch.setattr("daemon.runtime.restarting.time.monotonic", lambda: clock.now)

    async def rest(seconds: float) -> None:
        pauses.append(seconds)
        clock.now += seconds

    async def part() -> None:
        while left and isinstance(left[0], float):
            clock.now += left.pop(0)
        if not left:
            raise asyncio.CancelledError
        raise left.pop(0)  # type: ignore[misc]

    class Log:
        """A log whose events tell their moment."""

        def error(self, event: str, **fields: Any) -> None:
            """Tell it."""
            get_logger().error(event, at=clock.now, **fields)

    with monkeypatch.context() as patched, capture_logs() as told, pytest.raises(asyncio.CancelledError):
        patched.setattr("daemon.runtime.restarting.asyncio.sleep", rest)
        asyncio.run(supervise(part, Log(), 5.0))
    assert all(event["event"] == "part_failed" and event["part"].endswith("part") for event in told)
    return told, pauses


def test_the_same_failure_is_told_with_its_traceback_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then after a minute, and every ten; it is tried again after a minute at the latest."""
    told, pauses = kept(monkeypatch, [FULL] * 30)
    assert pauses == [5.0, 10.0, 20.0, 40.0, *[60.0] * 26]
    assert [(event["at"], event["times"]) for event in told] == [(0, 1), (75, 5), (675, 15), (1275, 25)]
    assert ["Traceback" in event.get("traceback", "") for event in told] == [True, False, False, False]
    assert all("No space left" in event["error"] for event in told)


def test_another_failure_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And tried again soon; the one before is still known."""
    told, pauses = kept(monkeypatch, [FULL, FULL, ValueError("x\nfirst"), FULL, ValueError("x\nsecond")])
    assert [(event["times"], "traceback" in event) for event in told] == [(1, True), (1, True)]
    assert pauses == [5.0, 10.0, 5.0, 20.0, 10.0]


def test_what_comes_again_after_long_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that worked for ten minutes is well."""
    told, pauses = kept(monkeypatch, [FULL, FULL, 600.0, FULL])
    assert [event["times"] for event in told] == [1, 1] and pauses == [5.0, 10.0, 5.0]


@pytest.mark.parametrize("said", ["database disk image is malformed", "file is not a database"])
def test_a_damaged_ledger_is_told_with_the_way_out(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No trying again mends that."""
    (told,), _ = kept(monkeypatch, [DatabaseError("SELECT 1", {}, Exception(said))])
    assert "driftd restore" in told["hint"] and "docs/backup.md" in told["hint"]
    assert way_out(FULL) == {}
