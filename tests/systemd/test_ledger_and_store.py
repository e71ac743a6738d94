"""The service under a real systemd with its ledger in a real PostgreSQL and its files in a real S3 server, both on another
machine's addresses."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from daemon_harness import FAST
from helpers import PATIENCE_S, wait_for
from postgresql import PASSWORD, needs_postgresql, running_server
from s3 import needs_s3, running_s3
from systemd.conftest import CONFIG, DRIFTD, TEXT, Service

pytestmark = [
    pytest.mark.xdist_group("systemd"), pytest.mark.timeout(900), pytest.mark.long, needs_postgresql, needs_s3,
]  # fmt: skip
HERE, LEDGER, STORE, ELSEWHERE = "198.51.100.1", "198.51.100.7", "198.51.100.8", "198.51.100.9"
SERVICE = """\
[service]
ledger_file = "ledger-url"
store = "{bucket}/driftd"
store_file = "store-credentials"
"""


class Listener:
    """Counts who connects to an address of the other machine, and hangs up."""

    def __init__(self, address: str) -> None:
        self._socket = socket.create_server((address, 0))
        self.port, self.heard = self._socket.getsockname()[1], 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                self._socket.accept()[0].close()
            except OSError:
                return
            self.heard += 1

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


@pytest.fixture
def cable(service: Service) -> Iterator[None]:
    """Between the container and the machine that it is on, which has three more addresses there; the service is as
    before afterwards."""
    name, its = "driftd-cable", service.container.pid

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    ip("link", "add", name, "type", "veth", "peer", "name", "cable", "netns", str(its))
    try:
        for address in (LEDGER, STORE, ELSEWHERE):
            ip("address", "add", f"{address}/24", "dev", name)
        ip("link", "set", name, "up")
        service.run("ip", "address", "add", f"{HERE}/24", "dev", "cable")
        service.run("ip", "link", "set", "cable", "up")
        yield
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)
        service.configure()
        service.driftd("-c", CONFIG, "install-service")
        restart(service)


def write_secret(service: Service, name: str, text: str) -> None:
    """For the service's user alone."""
    service.path(f"/etc/driftd/{name}").write_text(text)
    service.run("chown", "driftd:", f"/etc/driftd/{name}")
    service.run("chmod", "600", f"/etc/driftd/{name}")


def restart(service: Service, waits: bool = True) -> None:
    """Until it is ready, or a failure that shows the log; a service that leads is not while its store is away."""
    words = ("restart",) if waits else ("restart", "--no-block")
    try:
        service.container.run("systemctl", *words, "driftd", timeout_s=3 * PATIENCE_S)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        raise AssertionError(f"{error}\n{service.log()}") from None


def test_the_unit_lets_reach_ledger_and_store_alone(service: Service, cable: None) -> None:
    """As it is installed: the service starts, trains, promotes and serves with both at addresses of another machine, which
    the unit opens because the files name them; no other one can be reached, until it is installed again."""
    with ExitStack() as stack:
        server = stack.enter_context(running_server(LEDGER))
        s3 = stack.enter_context(running_s3(STORE))
        url = stack.enter_context(server.ledger())
        elsewhere = Listener(ELSEWHERE)
        stack.callback(elsewhere.close)
        text = TEXT.replace("[service]\n", SERVICE.format(bucket=s3.bucket()))
        service.configure(text.replace("/var/lib/driftd", "/var/lib/driftd-elsewhere") + FAST)
        write_secret(service, "ledger-url", url)
        options = "".join(f"{name}={value}\n" for name, value in s3.options.items())
        write_secret(service, "store-credentials", options)
        told, after = service.driftd("-c", CONFIG, "install-service"), time.time()
        assert f"has its ledger at {LEDGER}" in told and f"has files at {STORE}" in told and PASSWORD not in told
        assert set(service.show("IPAddressDeny").split()) == {"0.0.0.0/0", "::/0"}
        restart(service)
        service.wait("EVENT=version_promoted", "MODEL=m", after=after)
        service.wait("EVENT=model_swapped", "MODEL=m", after=after)
        assert service.status_of() == "200"
        doctor = service.call(DRIFTD, "-c", CONFIG, "doctor").stdout
        assert f"{LEDGER}:{server.port}" in doctor and "which answers" in doctor and "BAD" not in doctor

        after = time.time()
        away = options.replace(f"{STORE}:{s3.port}", f"{ELSEWHERE}:{elsewhere.port}")
        write_secret(service, "store-credentials", away)
        restart(service, waits=False)
        service.wait("EVENT=store_awaited", after=after, timeout_s=PATIENCE_S)
        if elsewhere.heard:
            pytest.skip("the kernel here lets no rule of systemd's stop a packet: no BPF for control groups")
        service.wait("EVENT=model_swapped", "MODEL=m", after=after)
        assert service.status_of() == "200", "it serves what it served"
        assert f"has files at {ELSEWHERE}" in service.driftd("-c", CONFIG, "install-service")
        restart(service, waits=False)
        wait_for(lambda: elsewhere.heard, what="the service at the other address")
