"""How many small files 1, 2 and 4 services take in together, each with a database of its own on one PostgreSQL server
that syncs its commits, and what that is bound by.

Each has a model that serves and a backlog of files of 200 labelled rows, which begins at the same moment; nothing is
retrained. Beside files a second: CPU a file of control, of the analyst and of PostgreSQL, how busy the cores are, and
what the services' sessions in PostgreSQL wait for within transactions (Client: for the service itself).
`python -m benchmarks.controls` (`make controls`) prints a table and JSON; it needs the package of PostgreSQL."""

import argparse
import json
import os
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
from daemon_harness import Daemon, drop, rows
from helpers import wait_for
from hosts import write_secret
from postgresql import Server, running_server

from benchmarks.figures import machine
from benchmarks.files import CONFIG

SETTINGS = "-c shared_buffers=128MB -c max_connections=200"
"""As PostgreSQL is delivered, but for connections: each commit that is to be durable is synced."""
WHOSE = "control", "analyst", "PostgreSQL", "others"
SAMPLE_S = 0.02
PATIENCE_S = 3600.0
ACTIVITY = """
SELECT coalesce(wait_event_type || '/' || wait_event, 'on a processor') FROM pg_stat_activity
WHERE state IN ('active', 'idle in transaction') AND datname LIKE 'ledger_%' AND pid <> pg_backend_pid()
"""
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'ledger_%'"


class Sampling:
    """What sessions of the services' databases are at, counted some fifty times a second while it is entered."""

    def __init__(self, server: Server) -> None:
        self._server, self._end = server, threading.Event()
        self.samples, self.found = 0, Counter[str]()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Sampling":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            while not self._end.wait(SAMPLE_S):
                self.samples += 1
                self.found.update(row[0] for row in connection.execute(ACTIVITY))


def service(folder: Path, url: str) -> Daemon:
    """One that serves its first model, with a ledger there."""
    folder.mkdir()
    daemon = Daemon(folder, CONFIG, service='page = false\nledger_file = "url"')
    write_secret(folder / "url", url)
    daemon.start()
    drop(rows(0, 2000), daemon.data / "first.parquet")
    daemon.wait("model_swapped", timeout_s=PATIENCE_S)
    daemon.wait("cycle_finished", timeout_s=PATIENCE_S)
    return daemon


def spent_s(daemons: list[Daemon], server: Server) -> dict[str, float]:
    """CPU seconds until now by whose they are."""
    found = Counter[str]()
    for daemon in daemons:
        assert daemon.process is not None
        control = psutil.Process(daemon.process.pid)
        found["control"] += sum(control.cpu_times()[:2])
        for child in control.children(recursive=True):
            words = " ".join(child.cmdline())
            found["analyst" if "role analyst" in words else "others"] += sum(child.cpu_times()[:2])
    first = psutil.Process(int((server.folder / "data/postmaster.pid").read_text().splitlines()[0]))
    for process in (first, *first.children(recursive=True)):
        times = process.cpu_times()
        found["PostgreSQL"] += sum(times[:2])
    found["PostgreSQL"] += sum(first.cpu_times()[2:4])  # sessions that ended
    return dict(found)


def measure(folder: Path, services: int, files: int) -> dict[str, Any]:
    """Files a second of that many services together, CPU seconds a file, and what PostgreSQL's sessions were at."""
    folder.mkdir()
    with ExitStack() as stack:
        server = stack.enter_context(running_server(settings=SETTINGS))
        daemons = []
        for number in range(services):
            daemons.append(service(folder / str(number), stack.enter_context(server.ledger())))
            stack.callback(daemons[-1].close)
        for number, daemon in enumerate(daemons):
            (daemon.folder / "backlog").mkdir()
            for file in range(files):
                drop(rows(1000 * number + file, 200), daemon.folder / "backlog" / f"{file:05d}.csv")
        before = spent_s(daemons, server)
        with Sampling(server) as sampling:
            began = time.time()
            for daemon in daemons:
                for path in sorted((daemon.folder / "backlog").iterdir()):
                    path.rename(daemon.data / path.name)
            ends = [ended(daemon, files) for daemon in daemons]
        after = spent_s(daemons, server)
        with psycopg.connect(server.url("postgres")) as connection:
            ((sessions,),) = connection.execute(SESSIONS).fetchall()
    took_s, count = max(ends) - began, files * services
    cpu = {whose: round((after[whose] - before.get(whose, 0.0)) / count * 1000, 1) for whose in after}
    active = {what: round(seen / sampling.samples, 3) for what, seen in sampling.found.most_common(8)}
    return {
        "services": services, "files": count, "seconds": round(took_s, 1), "files_a_s": round(count / took_s, 1),
        "cpu_ms_a_file": cpu, "cores_busy": round(sum(cpu.values()) * count / 1000 / took_s, 2),
        "cores": len(os.sched_getaffinity(0)), "sessions": active,
        "sessions_a_service": sessions / services,
    }  # fmt: skip


def ended(daemon: Daemon, files: int) -> float:
    """When the last file was accepted, in Unix seconds: its check is committed with it."""

    def accepted() -> list[Any]:
        return [one for one in list(daemon.events) if one.get("event") == "file_accepted"]

    found = wait_for(lambda: accepted() if len(accepted()) > files else None, PATIENCE_S, 0.1, daemon.tail())
    assert found is not None
    return datetime.fromisoformat(found[-1]["timestamp"]).timestamp()


def told(found: list[dict[str, Any]]) -> str:
    """As a table in Markdown, with what each run is bound by."""
    heads = ("services", "files/s", f"CPU ms a file: {', '.join(WHOSE)}", "cores busy", "sessions at work or waiting")
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|---|---|"]
    for one in found:
        cpu = ", ".join(f"{one['cpu_ms_a_file'].get(whose, 0):g}" for whose in WHOSE)
        active = ", ".join(f"{what} {share:g}" for what, share in one["sessions"].items())
        lines.append(
            f"| {one['services']} | {one['files_a_s']} | {cpu} | {one['cores_busy']} of {one['cores']} | {active} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--services", type=int, nargs="+", default=[1, 2, 4])
    options.add_argument("--files", type=int, default=500, help="of each service")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftd-controls-") as name:
        found = [measure(Path(name) / str(services), services, given.files) for services in given.services]
    print(told(found))
    print(json.dumps({"machine": machine(), "runs": found}, indent=2))


if __name__ == "__main__":
    main()
