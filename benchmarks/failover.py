"""How long the work stands still when the host that leads is lost: two services on one PostgreSQL and one S3 store, of
which one after the other is killed, stopped, cut off from the database, and told to end.

`python -m benchmarks.failover` (`make failover`) prints a table, and JSON; it needs the packages of `make engines`."""

import argparse
import json
import os
import re
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from daemon_harness import FAST, Daemon, drop, rows
from postgresql import Server, running_server
from relay import Relay
from s3 import S3, running_s3

LEASE_S = 10.0
FEW_ROWS = 3
"""So few that nothing is trained."""


class Host:
    """A service with a way to the database of its own."""

    def __init__(self, folder: Path, server: Server, s3: S3, url: str, bucket: str, lease_s: float) -> None:
        folder.mkdir()
        self.relay = Relay(server.port)
        options = f'store = "{bucket}"\nstore_file = "options"\nledger_file = "url"\nlease = "{lease_s:g}s"'
        self.daemon = Daemon(folder, FAST, service=f"page = false\n{options}")
        (folder / "url").write_text(re.sub(r":\d+/", f":{self.relay.port}/", url))
        (folder / "options").write_text("".join(f"{name}={value}\n" for name, value in s3.options.items()))
        for name in ("url", "options"):
            (folder / name).chmod(0o600)

    @property
    def pid(self) -> int:
        """Of its control."""
        assert self.daemon.process is not None
        return self.daemon.process.pid

    @contextmanager
    def lost(self, how: str) -> Iterator[None]:
        """It is lost from here on, and comes back at the end."""
        back: Callable[[], object] = self.daemon.start
        if how == "killed":
            self.daemon.kill()
        elif how == "stopped":
            os.kill(self.pid, signal.SIGSTOP)
            back = lambda: os.kill(self.pid, signal.SIGCONT)  # noqa: E731
        elif how == "cut off":
            self.relay.hold()
            back = self.relay.go_on
        else:
            os.kill(self.pid, signal.SIGTERM)
        yield
        if how == "told to end":
            self.daemon.wait_dead()
        since = len(self.daemon.events)
        back()
        self.daemon.wait("standing_by", since=since)


def measure(rounds: int, lease_s: float) -> dict[str, dict[str, list[float]]]:
    """By what happened, seconds until another host led, and until it had taken in a file that was dropped then."""
    found: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        server, s3 = stack.enter_context(running_server()), stack.enter_context(running_s3())
        url, folder = stack.enter_context(server.ledger()), Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bucket = f"{s3.bucket()}/driftd"
        hosts = [Host(folder / name, server, s3, url, bucket, lease_s) for name in "ab"]
        hosts[1].daemon.data.rmdir()
        hosts[1].daemon.data.symlink_to(hosts[0].daemon.data)
        for host in hosts:
            stack.callback(host.relay.cut)
            stack.callback(host.daemon.close)
            host.daemon.start()
        for number in range(rounds):
            for seed, how in enumerate(("killed", "stopped", "cut off", "told to end"), start=4 * number):
                leads, other = hosts
                began_s, since = time.monotonic(), len(other.daemon.events)
                with leads.lost(how):
                    drop(rows(seed, FEW_ROWS), leads.daemon.data / f"{how.replace(' ', '-')}{number}.csv")
                    other.daemon.wait("lease_acquired", since=since)
                    led_s = time.monotonic() - began_s
                    other.daemon.wait("file_accepted", since=since)
                    both = found.setdefault(how, {"led_s": [], "taken_s": []})
                    both["led_s"].append(round(led_s, 2))
                    both["taken_s"].append(round(time.monotonic() - began_s, 2))
                hosts.reverse()
    return found


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--lease", type=float, default=LEASE_S, help="seconds")
    given = options.parse_args()
    found = measure(given.rounds, given.lease)
    print(f"lease {given.lease:g} s\n{'':12} until another led, s   until it took a file, s")
    for how, one in found.items():
        told = "   ".join(f"{statistics.median(s):6.1f} (most {max(s):5.1f})" for s in one.values())
        print(f"{how:12} {told}")
    print(json.dumps({"lease_s": given.lease, **found}))


if __name__ == "__main__":
    main()
