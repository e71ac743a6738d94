"""The served model is replaced again and again under load, and nobody notices."""

import time
from collections.abc import Callable

import psutil
import pytest
from daemon_harness import FAST, Daemon, Load, drop, rows
from helpers import wait_for

from daemon.ledger import deployments, open_ledger, promotions

MOST_GROWTH = 30_000_000


@pytest.mark.parametrize("swaps", [40, pytest.param(200, marks=pytest.mark.long)])
def test_swaps_under_load_fail_no_request(make_daemon: Callable[..., Daemon], swaps: int) -> None:
    """Each swap is acknowledged, each answer names one of the two versions, and the server keeps neither the memory nor
    the files of what it no longer serves."""
    daemon = make_daemon(FAST + "[models.m.adaptation]\narchive = 1\nrecalibration = false\n").start()
    drop(rows(1), daemon.data / "a.parquet")
    daemon.wait("model_swapped")
    drop(rows(2, 1200, flip=True), daemon.data / "b.parquet")
    daemon.wait("version_promoted", cycle_id=2)
    daemon.wait("model_swapped", version=list(daemon.seen("version_promoted"))[-1]["version"])
    names = [entry["version"] for entry in daemon.seen("version_promoted")]
    daemon.cli("pause", "m")
    server = psutil.Process(next(daemon.seen("model_swapped"))["pid"])
    ledger = open_ledger(daemon.folder / "state", create=False)
    sizes = []
    with Load(daemon.predict) as load:
        for number in range(swaps):
            swapped = len(list(daemon.seen("model_swapped")))
            with ledger.begin() as conn:
                one = deployments.for_version(conn, "m", names[number % 2], time.time())
                promotions.record(conn, "m", one, "manual", "a test", time.time())
            wait_for(lambda before=swapped: len(list(daemon.seen("model_swapped"))) > before)
            assert daemon.predict().json()["version"] == names[number % 2]
            sizes.append((server.memory_info().rss, server.num_fds()))
    ledger.close()
    assert load.failures == [] and load.answers > swaps
    assert load.versions == set(names)
    assert sizes[-1][0] - sizes[swaps // 4][0] < MOST_GROWTH
    assert abs(sizes[-1][1] - sizes[swaps // 4][1]) <= 4
    assert daemon.stop() == 0
