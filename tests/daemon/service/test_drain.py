"""How a service ends for those who ask it: it says so first, and answers meanwhile; and a server that a signal stopped."""

import os
import signal
from collections.abc import Callable

import local_http
import psutil
from daemon_harness import Daemon
from helpers import wait_for


def test_a_service_that_ends_says_so_first_and_answers_meanwhile(make_daemon: Callable[..., Daemon]) -> None:
    """After SIGTERM it is not ready, still accepts, and asks its clients to leave; a second signal ends it at once."""
    daemon = make_daemon()
    daemon.config.write_text(daemon.config.read_text().replace('drain = "0s"', 'drain = "10m"'))
    daemon.start()
    ready = lambda: local_http.get(f"{daemon.url}/v2/health/ready")  # noqa: E731
    assert ready().status_code == 200
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGTERM)
    wait_for(lambda: ready().status_code == 503)
    with local_http.Client() as client:
        for path, status in (("/v2/health/live", 200), ("/v2/health/ready", 503), ("/models/m/predict", 405)):
            answer = client.get(daemon.url + path)
            assert (answer.status_code, answer.headers["connection"]) == (status, "close")
    assert ready().json() == {"ready": False, "reason": "it ends"}
    assert daemon.stop() == 0


def test_a_server_that_a_signal_stopped_goes_on(make_daemon: Callable[..., Daemon]) -> None:
    """What it had accepted is answered."""
    daemon = make_daemon().start()
    assert daemon.process is not None
    family = psutil.Process(daemon.process.pid).children()
    server = next(child for child in family if "daemon.server" in child.cmdline())
    os.kill(server.pid, signal.SIGSTOP)
    assert local_http.get(f"{daemon.url}/v2/health/live").status_code == 200
    assert daemon.wait("server_continued")["pid"] == server.pid
    assert not list(daemon.seen("server_died"))
