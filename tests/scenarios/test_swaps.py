"""The served model is replaced again and again under load, and nobody notices."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import local_http
import psutil
import pytest
from daemon_harness import FAST, Daemon, Load, drop, rows
from helpers import wait_for
from recommender_harness import MODEL, start_shop

from daemon.ledger import deployments, open_ledger, promotions

MOST_GROWTH = 30_000_000


@pytest.mark.parametrize("swaps", [12, pytest.param(200, marks=pytest.mark.long)])
def test_swaps_under_load_fail_no_request(make_serving: Callable[[str], Daemon], swaps: int) -> None:
    """Each swap is acknowledged, each answer names one of the two versions, and the server keeps neither the memory nor
    the files of what it no longer serves."""
    daemon = make_serving(FAST + "[models.m.adaptation]\narchive = 1\nrecalibration = false\n")
    drop(rows(2, 1200, flip=True), daemon.data / "b.parquet")
    second = daemon.wait("version_promoted", cycle_id=2)["version"]
    daemon.wait("model_swapped", version=second)
    names = [daemon.wait("model_swapped")["version"], second]
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


@pytest.mark.parametrize("swaps", [8, pytest.param(100, marks=pytest.mark.long)])
def test_swaps_of_a_recommender_fail_no_request_while_events_come(tmp_path: Path, swaps: int) -> None:
    """Lists for people and events of theirs all the while: each is answered, by one of the two versions, and each event
    that was acknowledged is counted at the end."""
    daemon = start_shop(tmp_path)
    counted, ledger, number = _counted(daemon), daemon.ledger, itertools.count()
    names = [next(daemon.seen("model_swapped"))["version"], daemon.promote_trained(2, items=10)]
    daemon.wait("model_swapped", version=names[1])
    url = f"{daemon.url}/models/{MODEL}"

    def ask(client: httpx.Client) -> httpx.Response:
        user = f"w{next(number):06d}"
        taken = client.post(f"{url}/feedback", json={"events": [{"user": user, "item": "i07"}]})
        return taken if taken.status_code != 202 else client.post(f"{url}/recommend", json={"users": [user, "u001"]})

    with Load(ask) as load:
        for place in range(swaps):
            swapped = len(list(daemon.seen("model_swapped")))
            with ledger.begin() as conn:
                one = deployments.for_version(conn, MODEL, names[place % 2], time.time())
                promotions.record(conn, MODEL, one, "manual", "a test", time.time())
            wait_for(lambda before=swapped: len(list(daemon.seen("model_swapped"))) > before)
            assert daemon.recommend(users=["u001"])["version"] == names[place % 2]
    ledger.close()
    assert load.failures == [] and load.answers > swaps and load.versions == set(names)
    wait_for(lambda: _counted(daemon) == counted + load.answers, what="every event is counted")
    assert daemon.stop() == 0


def _counted(daemon: Daemon) -> int:
    """Events that are counted, as its metrics have it."""
    lines = local_http.get(f"{daemon.url}/metrics").text.splitlines()
    return int(float(next(line for line in lines if line.startswith("driftd_counted_events{")).split()[-1]))
