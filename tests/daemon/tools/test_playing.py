"""The service that a story starts, and how it ends."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from daemon.tools.demo import playing


@pytest.fixture
def service(monkeypatch):
    """A process in the place of the service; signals are as before afterwards."""
    before = {number: signal.getsignal(number) for number in playing.SIGNALS}
    monkeypatch.setattr(playing, "driftd", lambda *_: ["sleep", "600"])
    monkeypatch.setattr(playing, "STOP_TIMEOUT_S", 2.0)  # where interrupts are ignored, as in a background job
    config = SimpleNamespace(service=SimpleNamespace(listen="127.0.0.1:1"), path=Path("config.toml"))
    made = playing.Daemon(config, playing.listen())
    yield made
    made.stop()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_ctrl_c_that_comes_while_something_is_asked_ends_the_story(service):
    """Also where what it asks would have swallowed an exception, as clean-ups of libraries do."""

    def swallows() -> bool:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException:
            return False
        return False

    with pytest.raises(KeyboardInterrupt):
        service.until(swallows)
    assert service.stop() != 0


def test_a_service_that_ends_by_itself_ends_the_story(service):
    """Whatever the story waits for."""
    service.process.kill()
    with pytest.raises(playing.DaemonEndedError):
        service.until(lambda: False)
