"""docs/cluster.md: a whole daemon whose stages are done by the workers of a real Dask cluster, which are killed."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_harness import FAST, ROOT, Daemon, drop, free_port, rows
from dask_cluster import Cluster, can_hide, needs_dask, running_cluster
from helpers import PATIENCE_S, wait_for
from hosts import host_maker
from postgresql import needs_postgresql
from s3 import S3, needs_s3

pytestmark = needs_dask
PAGE = ROOT / "docs" / "cluster.md"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """One worker."""
    with running_cluster() as made:
        yield made


def on(cluster: Cluster) -> str:
    """The section [service] of who uses it."""
    return f'page = false\nexecutor = "{cluster.address}"'


def left(daemon: Daemon) -> list[Path]:
    """Files that were on their way."""
    return [path for path in (daemon.folder / "state" / "work" / "exchange").rglob("*") if path.is_file()]


def test_versions_are_those_that_this_host_makes(make_daemon: Callable[..., Daemon], cluster: Cluster) -> None:
    """The first version and a challenger, by digest; prepare, train and evaluate were on the worker, the promotion here.
    The doctor compares versions, and nothing is left on its way."""
    made = []
    for service in ("page = false", on(cluster)):
        daemon = make_daemon(FAST, service=service)
        daemon.start()
        drop(rows(1), daemon.data / "a.csv")
        first = daemon.wait("cycle_finished")
        drop(rows(2, 2000, shift=2.0, flip=True), daemon.data / "b.parquet")
        daemon.wait("version_promoted", since=daemon.events.index(first))
        daemon.wait("cycle_finished", since=daemon.events.index(first) + 1)
        made.append([one["version"] for one in daemon.json("versions", "m")])
    assert made[0] == made[1] and len(made[0]) == 2
    placed = [event["worker"] for event in daemon.seen("stage_placed")]
    assert len(placed) == 6 and all(worker.startswith("tcp://127.0.0.1:") for worker in placed)
    wait_for(lambda: not left(daemon) and not cluster.attempts())
    told = daemon.json("doctor")
    assert any("1 worker, alike: driftd" in one["what"] and one["level"] == "ok" for one in told)
    assert daemon.stop() == 0


def test_a_killed_worker_is_a_retry_with_its_reason(make_daemon: Callable[..., Daemon], cluster: Cluster) -> None:
    """The cycle ends once, `driftd status` says where the stage runs, and `driftd explain` which worker was lost."""
    daemon = make_daemon(FAST, service=on(cluster))
    daemon.start()
    drop(rows(1), daemon.data / "a.csv")
    placed = daemon.wait("stage_placed")
    worker = daemon.json("status")["models"]["m"]["cycle"]
    assert worker is None or worker["worker"] in (None, placed["worker"])
    cluster.kill_worker()
    failed = daemon.wait("stage_failed")
    assert failed["will_retry"] and "was lost" in failed["reason"] and placed["worker"] in failed["reason"]
    cluster.start_worker()
    done = daemon.wait("cycle_finished")
    assert done["outcome"] == "promoted" and len(list(daemon.seen("cycle_finished"))) == 1
    assert placed["worker"] in daemon.cli("explain", str(done["cycle_id"])).stdout
    wait_for(lambda: not left(daemon) and not cluster.attempts())
    assert daemon.stop() == 0


def test_the_pages_commands_make_a_cluster(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """`dask scheduler` and `dask worker` as docs/cluster.md writes them, and its executor: the doctor finds the worker,
    and a first version is made there."""
    page, port = PAGE.read_text("utf-8"), free_port()
    found = re.findall(r"^```sh\n(dask (?:scheduler|worker) .*?)\n```", page, re.MULTILINE)
    executor = re.search(r"^executor = .*$", page, re.MULTILINE)
    assert len(found) == 2 and executor is not None
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    known = dict(os.environ, PATH=programs, PYTHONPATH=str(ROOT), TMPDIR=str(tmp_path), OMP_NUM_THREADS="1")
    started = [
        subprocess.Popen(["sh", "-c", f"exec {command.replace('8786', str(port))}"], env=known, cwd=tmp_path)
        for command in found
    ]
    try:
        daemon = make_daemon(FAST, service=f"page = false\n{executor[0].replace('8786', str(port))}")
        daemon.start()
        wait_for(lambda: any("1 worker, alike" in one["what"] for one in daemon.json("doctor")))
        drop(rows(1), daemon.data / "a.csv")
        daemon.wait("stage_placed")
        daemon.wait("version_promoted")
        assert daemon.stop() == 0
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(PATIENCE_S)


@can_hide
@needs_postgresql
@needs_s3
@pytest.mark.xdist_group("postgresql")
def test_workers_that_share_only_the_store(make_daemon: Callable[..., Daemon], s3: S3, url: str) -> None:
    """A worker that sees nothing of the state folder fetches what a stage reads from the store by digest, and puts what
    it made there; after the cycle nothing of it is left."""
    with running_cluster(workers=0) as cluster:
        host = host_maker(make_daemon, s3, url)()
        cluster.start_worker(hidden=host.folder, **s3.options)
        text = host.config.read_text().replace("[service]", f'[service]\nexecutor = "{cluster.address}"', 1)
        host.config.write_text(text)
        host.start()
        drop(rows(1), host.data / "a.csv")
        placed = host.wait("stage_placed")
        host.wait("version_promoted")
        assert not list(host.seen("stage_failed")), placed
        host.wait("cycle_finished")
        bucket = re.search(r'store = "([^"]+)"', text)
        assert bucket is not None
        store = s3.store(bucket[1])
        wait_for(lambda: not [name for name in store.names() if name.startswith("exchange/")])
        assert host.stop() == 0
