"""Restarts three hosts in turn behind a real haproxy while clients predict, and counts the answers that fail.

They follow one service, with its ledger in a real PostgreSQL and its files in a real S3 server; haproxy is configured
as docs/balancing.md shows. Needs the Debian packages that `make engines` needs, and haproxy."""

import argparse
import http.client
import json
import multiprocessing
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon_harness import Daemon, drop, rows
from haproxy import haproxy, is_ready
from helpers import wait_for
from hosts import host_maker
from postgresql import running_server
from s3 import running_s3

from benchmarks.figures import machine

ROW = json.dumps({"rows": [{"x": 0.3, "z": -1.0, "colour": "red"}]}).encode()
HEADERS = {"content-type": "application/json"}
CLIENTS = 4
PATIENCE_S = 60.0


@dataclass
class Answers:
    """How many answers of each status, or error, there were, the longest and the slow ones in seconds."""

    counts: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    over_1_s: int = 0

    def add(self, what: str, took_s: float) -> None:
        """One more."""
        self.counts[what] += 1
        self.longest_s, self.over_1_s = max(self.longest_s, took_s), self.over_1_s + (took_s > 1)


def client(port: int, requests: int, told: Any) -> None:
    """Ask on a kept connection, one request after the other."""
    answers, connection = Answers(), http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    for _ in range(requests):
        begun_s = time.monotonic()
        try:
            connection.request("POST", "/models/m/predict", ROW, HEADERS)
            answer = connection.getresponse()
            answer.read()
            what = str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            what = type(error).__name__
        answers.add(what, time.monotonic() - begun_s)
    told.put(answers)


def measure(folder: Path, requests: int, hosts: int) -> dict[str, Any]:
    """Counts of answers by status, of restarts, and how long the slowest took."""
    daemons: list[Daemon] = []

    def make_daemon(extra: str, service: str) -> Daemon:
        place = folder / f"host-{len(daemons)}"
        place.mkdir()
        daemons.append(Daemon(place, extra, service=service))
        return daemons[-1]

    with running_server() as database, running_s3() as s3, database.ledger() as url:
        make = host_maker(make_daemon, s3, url)
        try:
            make().start()
            drop(rows(1), daemons[0].data / "a.csv")
            daemons[0].wait("cycle_finished")
            followers = [make(service='drain = "3s"') for _ in range(hosts)]
            for one in followers:
                one.config.write_text(one.config.read_text().replace('drain = "0s"\n', ""))
                one.start(command="serve")
            with haproxy(folder, [one.port for one in followers]) as balanced:
                return asked(int(balanced.rpartition(":")[2]), requests, followers)
        finally:
            for daemon in daemons:
                daemon.close()


def asked(port: int, requests: int, followers: list[Daemon]) -> dict[str, Any]:
    """What came of requests through the balancer while the hosts restart."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    clients = [context.Process(target=client, args=(port, requests // CLIENTS, told)) for _ in range(CLIENTS)]
    begun_s = time.monotonic()
    for one in clients:
        one.start()
    restarts = 0
    while told.qsize() < CLIENTS:
        host = followers[restarts % len(followers)]
        assert host.stop() == 0
        host.start(command="serve")
        wait_for(lambda: is_ready(host.url))  # noqa: B023
        restarts += 1
    found = [told.get(timeout=PATIENCE_S) for _ in clients]
    for one in clients:
        one.join()
    counts = sum((one.counts for one in found), Counter[str]())
    return {
        "requests": sum(counts.values()), "failed": sum(counts.values()) - counts["200"], "answers": dict(counts),
        "hosts": len(followers), "restarts": restarts, "seconds": round(time.monotonic() - begun_s),
        "longest_s": round(max(one.longest_s for one in found), 2), "over_1_s": sum(one.over_1_s for one in found),
        "swap_failures": sum(len(list(one.seen("swap_failed"))) for one in followers),
    }  # fmt: skip


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--hosts", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftd-rolling-") as name:
        print(json.dumps({"machine": machine(), **measure(Path(name), options.requests, options.hosts)}, indent=2))


if __name__ == "__main__":
    main()
