"""A recommendation's cycles in a real service: a log by the file, a blend that follows, versions that come and go."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from daemon_harness import Daemon, drop
from event_logs import log
from helpers import wait_for

CONFIG = """\
[service]
state_dir = "state"
drain = "0s"
listen = "127.0.0.1:{port}"
min_free = "1MB"
page = false
[models.m]
data_dir = "data"
task = "recommendation"
user_column = "who"
item_column = "what"
time_column = "at"
[models.m.intake]
settle = "200ms"
rescan = "500ms"
[models.m.triggers]
first_rows = 1500
growth = false
cooldown = "100ms"
retry_after = "100ms"
"""
PARTS = 8


def parts() -> list[pa.Table]:
    """A log in which tastes tell more than fashion, in files of 500 events."""
    table = log(500 * PARTS, users=120, fashion=0.1)
    return [table.slice(500 * one, 500) for one in range(PARTS)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Daemon]:
    """A service for one recommendation."""
    daemon = Daemon(tmp_path)
    daemon.config.write_text(CONFIG.format(port=daemon.port))
    yield daemon
    daemon.close()


def served(shop: Daemon) -> tuple[str, bool]:
    """The version that is the champion, and whether its blend was learned since."""
    champion = shop.json("status")["models"]["m"]["champion"]
    return champion["newest"], champion["blend"] is not None


def test_a_log_by_the_file(shop: Daemon) -> None:
    """Files lead to a first version; each later one teaches the blend without training; a challenger that changes
    nothing is kept, a better informed one is promoted, and a roll-back by hand brings the first one back, whose blend
    goes on following the files."""
    files = parts()
    shop.start()
    for number in range(4):
        drop(files[number], shop.data / f"{number}.csv")
        shop.wait("file_accepted", file=f"{number}.csv")
    first = shop.wait("version_promoted")["version"]
    told = shop.cli("history", "m").stdout
    assert "held-out moments is better than " in told and "of popularity at its best half-life" in told

    drop(files[4], shop.data / "4.csv")
    assert "the blend follows" in shop.wait("deployment_adjusted")["reason"]
    assert served(shop) == (first, True)

    before = len(shop.events)
    shop.cli("retrain", "m")
    second = shop.wait("version_promoted", since=before)["version"]
    before = len(shop.events)
    shop.cli("retrain", "m")
    assert f"exactly as {second}" in shop.wait("version_kept", since=before)["reason"]

    shop.cli("rollback", "m")
    wait_for(lambda: served(shop)[0] == first, what="the first version again")
    before = len(shop.events)
    drop(files[5], shop.data / "5.csv")
    shop.wait("deployment_adjusted", since=before)
    assert served(shop) == (first, True)

    told = shop.cli("explain", str(shop.json("history", "m")[0]["cycle"])).stdout
    assert "held-out moments" in told and "popularity (" in told and "lists of ten" in told
    versions = {one["version"]: one for one in shop.json("versions", "m")}
    assert versions[first]["labelled"]["metric"] == "ndcg_at_10"
    assert "unknown items" in shop.cli("check", str(shop.data / "5.csv"), "--model", "m", check=False).stdout
    assert not list(shop.seen("assessment_failed")) and not list(shop.seen("stage_failed"))
