"""A state folder that hangs: systemd's watchdog is pinged for the event loop, which waits for it."""

import os
import socket
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.runtime.systemd_notify import Notifier
from daemon.service import hanging_state
from daemon.service.hanging_state import HangingState


@pytest.fixture
def systemd(tmp_path: Path) -> socket.socket:
    """What systemd hears."""
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.setblocking(False)
    return heard


def pings(systemd: socket.socket) -> int:
    """Since the last time."""
    count = 0
    try:
        while True:
            count += b"WATCHDOG=1" in systemd.recv(4096)
    except BlockingIOError:
        return count


def test_only_a_loop_that_waits_for_the_folder_is_pinged_for(
    systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one that beats, nor one that is silent while the folder answers; told once, and when it is over."""
    gate, statvfs = threading.Event(), os.statvfs
    monkeypatch.setattr(hanging_state, "PATIENCE_S", 0.05)
    guard = HangingState(Notifier(systemd.getsockname()), 60.0, tmp_path, lambda: 100.0)
    with capture_logs() as told:
        guard.look(130.0)
        assert pings(systemd) == 0
        monkeypatch.setattr(os, "statvfs", lambda path: gate.wait() and statvfs(path))
        guard.look(105.0)
        assert pings(systemd) == 0 and told == []
        for now_s in (130.0, 140.0, 150.0):
            guard.look(now_s)
        assert pings(systemd) == 3
        gate.set()
        assert guard._probe is not None
        guard._probe.join()
        guard.look(160.0)
        assert pings(systemd) == 0
    assert [event["event"] for event in told] == ["state_hung", "state_answered"]
