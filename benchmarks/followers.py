"""How soon many hosts know of a promotion and have its version: from before its commit until it is fetched, proven
whole and described beside the servers, which are told at that moment.

Each follower is what `driftd serve` runs on a host, with a state folder and connections of its own, some dozens of them
in a process: what is missing of a hundred hosts are their servers and the network. The version of each promotion is
another one, so each is fetched; then all are promoted again. `python -m benchmarks.followers` (`make followers`)
prints lines and JSON; needs the packages of `make engines`."""

import argparse
import asyncio
import json
import multiprocessing
import re
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import psycopg
from daemon_harness import Daemon, drop, rows
from hosts import host_maker
from postgresql import FAST, running_server
from s3 import S3, running_s3
from sqlalchemy import insert, select

from benchmarks.figures import Goal, machine
from daemon.config.config import load_config
from daemon.ledger import Ledger, deployments, followed_ledger, open_ledger, promotions, tables
from daemon.runtime.ledgers import ledger_url
from daemon.runtime.log import configure
from daemon.runtime.promoted import described
from daemon.runtime.stored_state import StoredState
from daemon.runtime.stores import configured_store
from daemon.service.following import Following
from daemon.service.serving_host import make_room

MODEL, PROCESSES, TARGET_S = "m", 4, 1.0
CONNECTIONS = f"{FAST.replace('max_connections=60', 'max_connections=1000')}"
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
OWN_SESSIONS = 2
"""The one that asks, and that of the ledger that promotes."""
WHICH = "a new version", "one that is there"
"""Each version is promoted twice: the second time it need not be fetched."""
PATIENCE_S = 600.0


def follow(config_path: Path, state_dirs: list[Path], told: Any, ended: Any) -> None:
    """Follow with each of these folders, until told to end; tells which version was described when, in Unix seconds."""
    configure("warning", "json")
    asyncio.run(_follow(config_path, state_dirs, told, ended))


async def _follow(config_path: Path, state_dirs: list[Path], told: Any, ended: Any) -> None:
    running = [asyncio.create_task(_host(config_path, folder, told).run()) for folder in state_dirs]
    await asyncio.to_thread(ended.wait)
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _host(config_path: Path, state_dir: Path, told: Any) -> Following:
    """What a host does whose state folder that is; `daemon.service.serve_only` makes it so."""
    text = config_path.read_text()
    state_dir.mkdir(parents=True)
    own = config_path.with_name(f"{state_dir.name}.toml")  # beside the secrets
    own.write_text(text.replace('state_dir = "state"', f'state_dir = "{state_dir}"'))
    config = load_config(own)
    store = configured_store(config)
    assert store is not None
    make_room(config)
    stored = StoredState(store, config.state_dir, config.service.store_grace)

    def changed() -> None:
        champion = described(config.paths, MODEL)
        if champion is not None:
            told.put((state_dir.name, champion.deployment.members[0].version, time.time()))

    return Following(config, followed_ledger(config.state_dir, ledger_url(config, {})), stored, changed)


def more_versions(ledger: Ledger, s3: S3, store_uri: str, folder: Path, count: int) -> list[str]:
    """As many copies of the one version, in the store and in the ledger, under names of their own."""
    store = s3.store(store_uri)
    with ledger.begin() as conn:
        row = conn.execute(select(tables.versions)).one()._asdict()
        names = [f"v{number:04d}-{row['name'].partition('-')[2]}" for number in range(2, count + 2)]
        source = folder / "state" / "versions" / MODEL / row["name"]
        files = sorted(
            (path for path in source.rglob("*") if path.is_file()), key=lambda path: path.name == "manifest.json"
        )
        for number, name in enumerate(names, start=2):
            for path in files:
                store.put(f"versions/{MODEL}/{name}/{path.relative_to(source)}", path)
            conn.execute(insert(tables.versions).values({**row, "name": name, "number": number, "cycle_id": None}))
    return names


def promote(ledger: Ledger, version: str) -> float:
    """Commit its promotion as the service does; just before that, in Unix seconds."""
    with ledger.begin(durable=True) as conn:
        deployment = deployments.for_version(conn, MODEL, version, time.time())
        promotions.record(conn, MODEL, deployment, "promote", "benchmark", time.time())
        return time.time()


def heard(told: Any, version: str, hosts: int, since: float) -> list[float]:
    """When each host had described it, from that moment on."""
    found: dict[str, float] = {}
    while len(found) < hosts:
        name, what, at = told.get(timeout=PATIENCE_S)
        if what == version and at >= since:
            found.setdefault(name, at)
    return list(found.values())


def measure(folder: Path, hosts: int, times: int) -> dict[str, Any]:
    """Seconds from commit to description, over hosts and promotions, and CPU seconds of a host for one."""
    with ExitStack() as stack:
        server = stack.enter_context(running_server(settings=CONNECTIONS))
        s3 = stack.enter_context(running_s3())
        url = stack.enter_context(server.ledger())

        def make_daemon(extra: str, service: str) -> Daemon:
            place = folder / "service"
            place.mkdir()
            daemon = Daemon(place, extra, service=service)
            stack.callback(daemon.close)
            return daemon

        daemon = host_maker(make_daemon, s3, url)()
        daemon.start()
        drop(rows(1), daemon.data / "a.csv")
        first = daemon.wait("version_promoted")["version"]
        daemon.wait("cycle_finished")
        daemon.stop()
        bucket = re.findall(r'store = "([^"]+)"', daemon.config.read_text())[0]
        ledger = open_ledger(folder / "service" / "state", url=url, create=False)
        stack.callback(ledger.close)
        versions = more_versions(ledger, s3, bucket, folder / "service", times)

        context = multiprocessing.get_context("spawn")
        told, ended = context.Queue(), context.Event()
        folders = [folder / f"host-{number:03d}" for number in range(hosts)]
        parts = [folders[start::PROCESSES] for start in range(min(PROCESSES, hosts))]
        processes = [context.Process(target=follow, args=(daemon.config, part, told, ended)) for part in parts]
        for one in processes:
            one.start()
        stack.callback(lambda: [one.kill() for one in processes if one.is_alive()])
        heard(told, first, hosts, 0.0)
        found = {}
        for which in WHICH:
            before_s, took_s = cpu_s(processes), list[float]()
            for version in versions:
                began = promote(ledger, version)
                took_s += [at - began for at in heard(told, version, hosts, began)]
            found[which] = summary(took_s) | {"cpu_s_a_host": round((cpu_s(processes) - before_s) / hosts / times, 4)}
        with psycopg.connect(url) as connection:
            ((sessions,),) = connection.execute(SESSIONS).fetchall()
        ended.set()
        for one in processes:
            one.join(PATIENCE_S)
    sessions_a_host = round((sessions - OWN_SESSIONS) / hosts, 2)
    return {"hosts": hosts, "promotions": times, "sessions_a_host": sessions_a_host, **found}


def summary(took_s: list[float]) -> dict[str, float]:
    """Half of them took at most so long, 99 of 100, and all."""
    took_s = sorted(took_s)
    p99_s = took_s[int(0.99 * (len(took_s) - 1))]
    return {"p50_s": round(statistics.median(took_s), 3), "p99_s": round(p99_s, 3), "most_s": round(took_s[-1], 3)}


def cpu_s(processes: Any) -> float:
    """User and system time of these processes."""
    return sum(sum(psutil.Process(one.pid).cpu_times()[:2]) for one in processes)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hosts", type=int, default=100)
    options.add_argument("--promotions", type=int, default=20)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftd-followers-") as name:
        found = measure(Path(name), given.hosts, given.promotions)
    for which in WHICH:
        one = found[which]
        value, target, met = Goal(which, one["p99_s"], "s", TARGET_S).words
        told = f"p50 {one['p50_s']} s, p99 {value} (target {target}, {met}), most {one['most_s']} s"
        print(f"commit → described on {found['hosts']} hosts, {which}: {told}; CPU {one['cpu_s_a_host']} s a host")
    print(json.dumps({"machine": machine(), **found}, indent=2))


if __name__ == "__main__":
    main()
