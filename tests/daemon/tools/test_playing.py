"""The service that a story starts."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from daemon.tools.demo import playing


def test_ctrl_c_while_it_waits_does_not_keep_it_from_its_end(monkeypatch):
    """Also where the interrupt comes just when `Popen.wait` has taken its lock, which it then never gives back."""
    monkeypatch.setattr(playing, "driftd", lambda *_: ["sleep", "600"])
    monkeypatch.setattr(
        playing, "STOP_TIMEOUT_S", 2.0
    )  # where interrupts are ignored, as in a background job, it is killed
    service = playing.Daemon(SimpleNamespace(service=SimpleNamespace(listen="127.0.0.1:1"), path=Path("config.toml")))

    def within(frame, event, _):
        if event == "line" and frame.f_locals["self"]._waitpid_lock.locked():
            raise KeyboardInterrupt
        return within

    sys.settrace(lambda frame, *_: within if frame.f_code is subprocess.Popen._wait.__code__ else None)
    try:
        service.wait(0.2)
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(None)
    assert service.stop() != 0
    with pytest.raises(playing.DaemonEndedError):
        service.wait(1)
