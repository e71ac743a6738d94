"""What is posted and answered on a host without control reaches the ledger, each once, whoever is killed meanwhile."""

from collections.abc import Callable
from typing import Any

import local_http
import psycopg
import pytest
from daemon_harness import FAST, Daemon, drop, rows
from helpers import wait_for
from hosts import MakeHost, host_maker
from postgresql import needs_postgresql
from s3 import S3, needs_s3

pytestmark = [needs_postgresql, needs_s3, pytest.mark.xdist_group("postgresql")]
CONFIG = f"""\
id_column = "id"
{FAST}
[models.m.prediction_log]
every = "1s"
[models.m.drift]
min_rows = 20
[models.m.columns]
id = "category"
x = "number"
z = "number"
colour = "category"
label = "category"
"""
FOLLOWER = (
    "upload.numbers.before_rename", "upload.number.before_rename", "upload.number.after_rename", "store.before_put",
    "store.after_put", "upload.remove.before_remove", "upload.remove.after_remove",
)  # fmt: skip
CONTROL = (
    "store.before_get", "receive.before_rename", "receive.after_rename", "control.file_committed",
    "labels.remove_segment.before_remove", "prediction_log.committed", "store.before_delete",
)  # fmt: skip


@pytest.fixture
def make_host(make_daemon: Callable[..., Daemon], s3: S3, url: str) -> MakeHost:
    """Makes hosts of one ledger and one store."""
    made = host_maker(lambda extra, service: make_daemon(extra, service=service, columns=False), s3, url)
    return lambda: made(CONFIG)


@pytest.fixture
def hosts(make_host: MakeHost) -> tuple[Daemon, Daemon]:
    """One that serves its first version, and one that follows it."""
    first, follower = make_host(), make_host()
    first.start()
    drop(rows(1).append_column("id", [[f"d{i}" for i in range(600)]]), first.data / "a.parquet")
    first.wait("model_swapped")
    first.wait("cycle_finished")
    follower.start(command="serve")
    return first, follower


def use(follower: Daemon, begin: int, n: int = 30) -> None:
    """Ask for predictions, and send the labels of some of these rows."""
    asked = [{"id": f"r{begin + k}", "x": k / n, "z": -1.0, "colour": "red"} for k in range(n)]
    assert local_http.post(f"{follower.url}/models/m/predict", json={"rows": asked}).status_code == 200
    labels = [{"id": one["id"], "label": "yes"} for one in asked[:5]]
    assert local_http.post(f"{follower.url}/models/m/feedback", json={"labels": labels}).status_code == 202


def accepted(first: Daemon, what: str) -> list[int]:
    """Of each such file that was taken in, how many rows it has."""
    with psycopg.connect((first.folder / "url").read_text()) as ledger:
        found = ledger.execute(f"SELECT rows FROM files WHERE {what} AND state = 'accepted'".encode()).fetchall()
    return [row[0] for row in found]


def logged(first: Daemon) -> int:
    """Answers that data files were made of."""
    return sum(accepted(first, "source = 'traffic'"))


def labels(first: Daemon) -> list[int]:
    """Of each file of labels, how many it has."""
    return accepted(first, "kind = 'labels'")


def left(hosts: tuple[Daemon, Daemon], s3: S3) -> list[Any]:
    """Segments that are anywhere yet."""
    bucket = next(line for line in hosts[0].config.read_text().splitlines() if line.startswith("store ="))
    there: list[Any] = [name for name in s3.store(bucket.split('"')[1]).names("uploads/") if "/hosts/" not in name]
    places = "spool/*/*", "prediction_log/*/spool/*", "uploads/*/*/*"
    return there + [path for host in hosts for place in places for path in (host.folder / "state").glob(place)]


def test_what_a_host_without_control_was_told_is_taken_in_once(
    hosts: tuple[Daemon, Daemon], s3: S3, make_host: MakeHost
) -> None:
    """Labels that join what was answered there, and those answers as live traffic; while the store is away they wait
    on that host's disk, and an end uploads what is left. Nothing stays anywhere."""
    first, follower = hosts
    use(follower, 0)
    wait_for(lambda: logged(first) == 30 and labels(first) == [5])
    joined = first.json("files", "m")
    assert [one["quality"]["joined"]["joined"] for one in joined if one["kind"] == "labels"] == [5]
    with s3.away():
        use(follower, 100)
        follower.wait("upload_delayed")
        assert logged(first) == 30
    wait_for(lambda: logged(first) == 60 and labels(first) == [5, 5])
    use(follower, 200)
    assert follower.stop() == 0
    wait_for(lambda: logged(first) == 90 and labels(first) == [5, 5, 5])
    wait_for(lambda: not left(hosts, s3))
    assert first.stop() == 0


@pytest.mark.long
@pytest.mark.timeout(3600)  # eighteen starts of a service
def test_whoever_is_killed_nothing_is_lost_or_taken_twice(hosts: tuple[Daemon, Daemon], s3: S3) -> None:
    """At each step between a host's disk and the ledger, on either side."""
    first, follower = hosts
    expected = 0
    for host, role, points in ((follower, "follower", FOLLOWER), (first, "control", CONTROL)):
        command = "serve" if host is follower else "run"
        host.stop()
        host.plan()
        host.start(command=command)
        for point in points:
            use(follower, expected * 30)
            host.plan(f"{role} {point} 1 1 KILL")  # segments are closed a second later
            expected += 1
            host.wait_dead()
            host.start(command=command)
            wait_for(lambda: sum(labels(first)) >= 5 * expected and logged(first) >= 30 * expected)  # noqa: B023
    wait_for(lambda: not left(hosts, s3))
    assert sum(labels(first)) == 5 * expected and logged(first) == 30 * expected
