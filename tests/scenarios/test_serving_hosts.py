"""Hosts that follow one service: challengers on trial and recommenders there, which models, how they are, and a balancer
in front of them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import local_http
import psycopg
import pytest
from daemon_harness import Daemon, Load, drop, rows
from event_logs import log
from haproxy import haproxy, is_ready, needs_haproxy
from helpers import wait_for
from hosts import MakeHost, host_maker
from postgresql import PASSWORD, needs_postgresql
from s3 import S3, needs_s3

pytestmark = [needs_postgresql, needs_s3, pytest.mark.xdist_group("postgresql")]
ON_TRIAL = """\
[models.m.intake]
settle = "100ms"
rescan = "500ms"
[models.m.triggers]
first_rows = 300
cooldown = "100ms"
regret = false
growth = false
[models.m.window]
kind = "files"
files = 1
[models.m.suspicion]
hold = false
[models.m.adaptation]
archive = 1
recalibration = false
[models.m.rollout]
strategy = "shadow"
min_rows = 40
period = "100ms"
"""
SHOP = """\
[models.shop]
data_dir = "shop"
task = "recommendation"
user_column = "who"
item_column = "what"
time_column = "at"
recommendation = { every = "1s" }
intake = { settle = "200ms", rescan = "500ms" }
triggers = { first_rows = 1500, growth = false, cooldown = "100ms" }
"""


@pytest.fixture
def make_host(make_daemon: Callable[..., Daemon], s3: S3, url: str) -> MakeHost:
    """Makes hosts of one ledger and one store."""
    return host_maker(make_daemon, s3, url)


@pytest.fixture
def reader(url: str) -> Iterator[str]:
    """The URL of a role that may only read the ledger."""
    name = "reader_" + url.rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    yield url.replace("//driftd:", f"//{name}:")
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"DROP OWNED BY {name}")
        admin.execute(f"DROP ROLE {name}")


def serving(host: Daemon) -> Daemon:
    """It serves its first version."""
    host.start()
    drop(rows(1), host.data / "a.csv")
    host.wait("model_swapped")
    host.wait("cycle_finished")
    return host


def about(host: Daemon) -> Any:
    """What it says of the model."""
    return local_http.get(f"{host.url}/v2/models/m").json()


def heard(first: Daemon) -> list[dict[str, Any]]:
    """The hosts that `driftd status` tells of."""
    found: list[dict[str, Any]] = first.json("status")["followers"]
    return found


def test_a_challenger_is_tried_on_another_host(make_host: MakeHost, reader: str) -> None:
    """By a role that may only read the ledger: what is answered there alone decides the trial, in whose end the host
    swaps. `driftd status` tells of that host while it is up, `driftd doctor` there finds nothing wrong."""
    first, follower = serving(make_host(ON_TRIAL)), make_host(ON_TRIAL, url=reader)
    follower.start(command="serve")
    before = about(follower)["versions"]
    drop(rows(2, 1200, shift=2.0, flip=True), first.data / "b.csv")
    first.wait("check_finished", file="b.csv")
    first.cli("retrain", "m")
    begun = first.wait("trial_started")
    wait_for(lambda: about(follower)["trial"])
    assert about(follower)["trial"]["version"] == begun["version"]
    wait_for(lambda: [one["behind"] for one in heard(first) if one["models"]["m"]] == [[]])
    for _ in range(60):
        assert follower.predict().json()["version"] == before[0]
    promoted = first.wait("version_promoted", version=begun["version"])
    follower.wait("model_swapped", version=promoted["version"])
    wait_for(lambda: about(follower)["trial"] is None)
    told = follower.cli("doctor", "--json")
    assert "`driftd serve` what is to be served" in told.stdout and json.loads(told.stdout)
    (one,) = heard(first)
    assert one["url"] == follower.url and one["driftd"] and "host " in first.cli("status").stdout
    assert follower.stop() == 0
    wait_for(lambda: heard(first) == [])
    assert first.stop() == 0


def test_a_host_that_is_upgraded_first_follows_as_far_as_it_can_read(make_host: MakeHost, url: str) -> None:
    """It has a newer driftd than the service that leads: where that ledger has all that is asked of it, what is promoted is
    followed; where it lacks something, the host starts again and serves what it has, until it can be read."""
    first, follower = serving(make_host()), make_host()
    with psycopg.connect(url, autocommit=True) as ledger:
        ledger.execute("UPDATE alembic_version SET version_num = '0001'")
    follower.start(command="serve")
    assert "has the older schema 0001" in follower.wait("ledger_awaited")["reason"]
    assert follower.predict().json() == first.predict().json()
    since = len(first.events)
    drop(rows(2, 2000, shift=2.0, flip=True), first.data / "b.parquet")
    promoted = first.wait("version_promoted", since=since)
    follower.wait("model_swapped", version=promoted["version"])
    assert first.stop() == 0 and follower.stop() == 0

    since = len(follower.events)
    with psycopg.connect(url, autocommit=True) as ledger:
        ledger.execute("ALTER TABLE promotions RENAME COLUMN reason TO of_old")
        follower.start(command="serve")
        follower.wait("ledger_unreadable", since=since)
        assert follower.predict().json()["version"] == promoted["version"]
        ledger.execute("ALTER TABLE promotions RENAME COLUMN of_old TO reason")
    assert follower.stop() == 0


def test_a_recommender_answers_on_another_host(make_host: MakeHost) -> None:
    """The same lists as where it was trained; an event that is posted there counts there at once, and for all once it
    was taken in. With patterns a host serves these models alone."""
    first, follower = make_host(SHOP), make_host(SHOP)
    first.start()
    drop(log(4000, users=120, fashion=0.1), first.folder / "shop" / "a.parquet")
    first.wait("model_swapped", model="shop")
    first.wait("cycle_finished", model="shop")
    follower.start(command="serve --models sh*")

    def lists(host: Daemon, **body: Any) -> Any:
        answer = local_http.post(f"{host.url}/models/shop/recommend", json=body)
        assert answer.status_code == 200, answer.text
        return [[one["item"] for one in each["items"]] for each in answer.json()["recommendations"]]

    asked = {"users": ["u001", "u002", "nobody"], "k": 4}
    assert lists(follower, **asked) == lists(first, **asked)
    assert local_http.get(f"{follower.url}/v2/models/m").status_code == 404
    item = lists(follower, users=["new"], k=1)[0][0]
    event = {"user": "new", "item": item, "time": 1_701_700_000}
    sent = local_http.post(f"{follower.url}/models/shop/feedback", json={"events": [event]})
    assert sent.status_code == 202, sent.text
    wait_for(lambda: item not in lists(follower, users=["new"], k=4)[0])
    wait_for(lambda: [one for one in first.seen("file_accepted") if one["file"].startswith("events/")])
    wait_for(lambda: item not in lists(first, users=["new"], k=4)[0])
    assert follower.stop() == 0
    follower.start(command="serve --models sh*")
    wait_for(lambda: item not in lists(follower, users=["new"], k=4)[0])
    assert sum(one["rows"] for one in first.seen("file_accepted") if one["file"].startswith("events/")) == 1


@needs_haproxy
def test_hosts_are_restarted_behind_a_balancer_without_a_failed_request(make_host: MakeHost, tmp_path: Path) -> None:
    """Each in turn, under load, by the configuration that the documentation shows; a host that is killed costs no
    answer either."""
    first = serving(make_host())
    followers = [make_host(service='drain = "2s"') for _ in range(3)]
    for one in followers:
        one.config.write_text(one.config.read_text().replace('drain = "0s"\n', ""))
        one.start(command="serve")
    with haproxy(tmp_path, [one.port for one in followers]) as url:

        def ask(client: httpx.Client) -> httpx.Response:
            return client.post(f"{url}/models/m/predict", json={"rows": [{"x": 0.3, "z": -1.0, "colour": "red"}]})

        with Load(ask, threads=4) as load:
            for one in followers:
                assert one.stop() == 0
                one.start(command="serve")
                wait_for(lambda: is_ready(one.url))  # noqa: B023
            followers[0].kill()
            begun = load.answers
            wait_for(lambda: load.answers > begun + 200)
    assert load.failures == [] and load.answers > 1000
    assert first.stop() == 0
