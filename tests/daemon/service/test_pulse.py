"""The heartbeat: systemd is pinged only while every part lives, and who is silent is told."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from daemon.runtime.systemd_notify import WATCHDOG_S, Notifier, watchdog_s
from daemon.service.pulse import Pulse


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The other end of systemd's protocol."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.setblocking(False)
        yield heard


def read(heard: socket.socket) -> list[str]:
    """The datagrams that came."""
    found = []
    while True:
        try:
            found.append(heard.recv(4096).decode())
        except BlockingIOError:
            return found


def test_a_silent_part_stops_the_pings_and_is_told_once(systemd: socket.socket) -> None:
    """Half of the watchdog's time is too long; afterwards all is well again."""
    silent = {"server 1": 0.0, "watch of m": 4.9}
    pulse = Pulse(Notifier(systemd.getsockname()), 10.0, lambda: silent, lambda: "m: v0001")
    with structlog.testing.capture_logs() as told:
        pulse.beat()
        assert read(systemd) == ["WATCHDOG=1\nSTATUS=m: v0001"]
        silent["watch of m"] = 5.1
        pulse.beat()
        pulse.beat()
        assert read(systemd) == ["STATUS=hung: watch of m"] * 2
        silent["watch of m"] = 0.0
        pulse.beat()
        assert read(systemd) == ["WATCHDOG=1\nSTATUS=m: v0001"]
    events = [(entry["event"], entry["part"]) for entry in told]
    assert events == [("part_hung", "watch of m"), ("part_recovered", "watch of m")]


def test_a_reload_is_announced_in_one_datagram(systemd: socket.socket) -> None:
    """RELOADING with the time, as systemd wants it."""
    Notifier(systemd.getsockname()).reloading()
    (told,) = read(systemd)
    fields = dict(line.split("=") for line in told.splitlines())
    assert fields["RELOADING"] == "1" and int(fields["MONOTONIC_USEC"]) > 0


def test_a_status_is_one_line(systemd: socket.socket) -> None:
    """A line end would begin another field."""
    Notifier(systemd.getsockname()).send(STATUS="a\nREADY=1")
    assert read(systemd) == ["STATUS=a READY=1"]


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, WATCHDOG_S),
        ({"WATCHDOG_USEC": "6000000"}, 6.0),
        ({"WATCHDOG_USEC": "6000000", "WATCHDOG_PID": "1"}, WATCHDOG_S),
        ({"WATCHDOG_USEC": "soon"}, WATCHDOG_S),
    ],
)
def test_the_watchdogs_time_is_systemds(environment: dict[str, Any], seconds: float) -> None:
    """Unless it is meant for another process."""
    assert watchdog_s(environment) == seconds
