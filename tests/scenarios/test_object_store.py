"""A whole daemon whose ledger is in a real PostgreSQL and whose files are in a real S3 store."""

import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from daemon_harness import FAST, Daemon, Event, drop, free_port, rows
from helpers import wait_for
from hosts import host_maker
from postgresql import PASSWORD, Server, needs_postgresql
from s3 import S3, SECRET, needs_s3

from daemon.ledger import open_ledger
from daemon.ledger.references import references_of

UNADJUSTED = "[models.m.adaptation]\narchive = 1\nrecalibration = false\n"
"""An answer changes with a promotion alone."""
pytestmark = [needs_postgresql, needs_s3, pytest.mark.xdist_group("postgresql")]


@pytest.fixture
def make_host(make_daemon: Callable[..., Daemon], s3: S3, url: str) -> Callable[..., Daemon]:
    """Makes a host with an empty state folder of its own, on the same ledger and the same store as the others."""
    return host_maker(make_daemon, s3, url)


def named_but_missing(host: Daemon, s3: S3, url: str) -> set[str]:
    """What the ledger names and the store lacks."""
    ledger = open_ledger(host.folder / "state", url=url, create=False, read_only=True)
    with ledger.connect() as conn:
        named = references_of(conn)
    ledger.close()
    bucket = next(line for line in host.config.read_text().splitlines() if line.startswith("store ="))
    there = set(s3.store(bucket.split('"')[1]).names())
    wanted = named.files | named.spare | {f"{folder}/manifest.json" for folder in named.versions}
    return set(wanted - there)


def serving_host(make_host: Callable[..., Daemon]) -> tuple[Daemon, Event]:
    """One that serves its first version, and the event of its promotion."""
    host = make_host()
    host.start()
    drop(rows(1), host.data / "a.csv")
    promoted = host.wait("version_promoted")
    host.wait("model_swapped", version=promoted["version"])
    host.wait("cycle_finished")
    return host, promoted


def on_another(host: Daemon, other: Daemon) -> Daemon:
    """The other host sees the same data folder."""
    for file in host.data.iterdir():
        other.data.joinpath(file.name).write_bytes(file.read_bytes())
    return other


def test_another_host_goes_on_with_all_that_was_committed(make_host: Callable[..., Daemon], s3: S3, url: str) -> None:
    """A host is killed and its folder is gone: another one with an empty folder has its files fetched, answers the same
    to the bit, takes no file twice and the next one. The store has all that the ledger names, and no secret is told."""
    first, promoted = serving_host(make_host)
    answer = first.predict().json()
    first.kill()
    assert not named_but_missing(first, s3, url)

    second = on_another(first, make_host())
    second.start()
    second.wait("store_fetched")
    second.wait("lease_acquired", term=2)
    second.wait("model_swapped", version=promoted["version"])
    assert second.predict().json() == answer
    drop(rows(3), second.data / "c.csv")
    second.wait("file_accepted", file="c.csv")
    assert [event["file"] for event in second.seen("file_accepted")] == ["c.csv"]
    assert not named_but_missing(second, s3, url)
    assert any("the store s3://" in one["what"] and one["level"] == "ok" for one in second.json("doctor"))
    assert second.stop() == 0
    assert SECRET not in "\n".join([*first.raw, *second.raw])


@pytest.mark.long
def test_a_cycle_ends_on_another_host_and_the_first_one_follows(
    make_host: Callable[..., Daemon], s3: S3, url: str
) -> None:
    """Killed amid a cycle, whose unfinished work is gone with the folder, it begins that cycle anew on the other host;
    the first one, started again after that, has the other's files in place of its own and takes nothing twice."""
    first = make_host()
    first.start()
    drop(rows(1), first.data / "a.csv")
    promoted = first.wait("version_promoted")
    first.wait("cycle_finished")
    drop(rows(2, 2000, shift=2.0, flip=True), first.data / "b.parquet")
    first.wait("stage_finished", stage="prepare", since=first.events.index(promoted) + 1)
    first.kill()
    second = on_another(first, make_host())
    second.start()
    better = second.wait("version_promoted")
    assert better["version"] != promoted["version"]
    second.wait("model_swapped", version=better["version"])
    second.wait("cycle_finished")
    assert not list(second.seen("file_accepted")) and len(second.json("versions", "m")) == 2
    assert second.stop() == 0

    since = len(first.events)
    first.start()
    first.wait("store_fetched", since=since)
    assert first.predict().json()["version"] == better["version"]
    assert not list(first.seen("file_accepted", since=since))
    assert first.stop() == 0
    assert not named_but_missing(first, s3, url)


@pytest.mark.long
@pytest.mark.parametrize(
    "point", ["store.before_put", "store.after_put", "control.file_committed", "store.copied.before_write"]
)
def test_a_kill_anywhere_loses_nothing(make_host: Callable[..., Daemon], s3: S3, url: str, point: str) -> None:
    """Killed between a file and its commit: whichever host goes on, the store has what the ledger names and each file
    is taken once."""
    first = make_host()
    first.start()
    drop(rows(1), first.data / "a.csv")
    first.wait("cycle_finished")
    first.plan(f"control {point} 1 1 KILL")
    first.stop()
    first.start(wait_ready=not point.startswith("store.copied"))
    drop(rows(2), first.data / "b.csv")
    first.wait_dead()
    assert not named_but_missing(first, s3, url)
    second = on_another(first, make_host())
    second.start()
    second.wait("store_fetched")
    wait_for(lambda: second.json("status")["models"]["m"]["files"]["accepted"] == 2)
    taken = [*first.seen("file_accepted", file="b.csv"), *second.seen("file_accepted", file="b.csv")]
    assert len(taken) <= 1
    assert second.stop() == 0
    assert not named_but_missing(second, s3, url)


@pytest.mark.long
def test_who_is_forgotten_is_gone_from_the_store(make_host: Callable[..., Daemon], s3: S3) -> None:
    """When the command is answered no object holds their rows, whatever the time of grace."""
    host = make_host()
    host.config.write_text(host.config.read_text() + 'who = "category"\n')
    host.start()
    table = rows(1).append_column("who", [[f"person-{n:04d}" for n in range(600)]])
    drop(table, host.data / "a.csv")
    host.wait("cycle_finished")
    bucket = next(line for line in host.config.read_text().splitlines() if line.startswith("store ="))
    store = s3.store(bucket.split('"')[1])
    before = {name for name in store.names() if name.startswith("snapshots/")}
    (host.data / "a.csv").unlink()
    host.cli("forget", "--model", "m", "--id", "person-0007", "--column", "who")
    host.wait("people_forgotten")
    after = {name for name in store.names() if name.startswith("snapshots/")}
    assert before and after and not before & after
    assert host.stop() == 0


def test_a_folder_moves_into_a_database_and_a_store(
    make_host: Callable[..., Daemon], first_model: Path, s3: S3, postgresql: Server
) -> None:
    """`driftd migrate-state` moves a service that began with a folder; the service goes on with all that it knew, and
    so does another host. A service that runs, and a second time, are refused with the way out."""
    host = make_host()
    for name in ("state", "data"):
        shutil.copytree(first_model / name, host.folder / name, symlinks=True, dirs_exist_ok=True)
    with postgresql.database("moved"):
        pass
    url = postgresql.url("moved")
    (host.folder / "url").write_text(url)
    refused = host.start(wait_ready=False).wait_dead()
    assert refused != 0 and "migrate-state" in host.tail()
    told = host.cli("migrate-state", "--json").stdout
    assert '"rows"' in told and PASSWORD not in told
    again = host.cli("migrate-state", check=False)
    assert again.returncode != 0 and "moved before" in again.stderr
    assert not named_but_missing(host, s3, url)
    host.start()
    host.wait("model_swapped")
    answer = host.predict().json()
    drop(rows(3), host.data / "c.csv")
    host.wait("file_accepted", file="c.csv")
    assert not list(host.seen("store_fetched")) and not list(host.seen("file_accepted", file="a.csv"))
    running = host.cli("migrate-state", check=False)
    assert running.returncode != 0
    assert host.stop() == 0

    other = on_another(host, make_host())
    (other.folder / "url").write_text(url)
    other.start()
    other.wait("store_fetched")
    other.wait("model_swapped")
    assert other.predict().json() == answer
    assert other.stop() == 0


def test_servers_on_another_host_follow_and_need_neither_afterwards(
    make_host: Callable[..., Daemon], s3: S3, url: str
) -> None:
    """`driftd serve` with an empty folder fetches what is promoted, and answers to the bit as the host that made it; a
    promotion there is swapped here. With the store silent, the database refusing
    and the other host gone it goes on, and starts again, by what it has."""
    first, promoted = serving_host(partial(make_host, FAST + UNADJUSTED))

    follower = make_host()
    follower.start(command="serve")
    assert follower.predict().json() == first.predict().json()
    drop(rows(2, 2000, shift=2.0, flip=True), first.data / "b.parquet")
    better = first.wait("version_promoted", since=first.events.index(promoted) + 1)
    follower.wait("model_swapped", version=better["version"])
    first.wait("model_swapped", version=better["version"])
    first.wait("cycle_finished", since=first.events.index(better))
    wait_for(lambda: follower.predict().json() == first.predict().json())
    answer = follower.predict().json()

    told = json.loads(follower.cli("doctor", "--json").stdout)
    assert [one["what"] for one in told if one["level"] == "error"] == []

    first.kill()
    with s3.away():
        assert follower.predict().json() == answer
        assert follower.stop() == 0
        (follower.folder / "url").write_text(re.sub(r":\d+/", f":{free_port()}/", url))
        since = len(follower.events)
        follower.start(command="serve")
        assert follower.predict().json() == answer
        assert follower.wait("ledger_awaited", since=since)
        assert follower.stop() == 0
    assert not list(follower.seen("swap_failed"))


def test_what_is_to_be_committed_waits_for_the_store(make_host: Callable[..., Daemon], s3: S3, url: str) -> None:
    """While the store gives no answer predictions go on, and a dropped file is not committed; once it answers it is."""
    host = make_host()
    host.start()
    drop(rows(1), host.data / "a.csv")
    host.wait("model_swapped")
    host.wait("cycle_finished")
    with s3.away():
        drop(rows(2), host.data / "b.csv")
        host.wait("store_awaited")
        assert host.predict().status_code == 200
        assert not [event for event in host.seen("file_accepted") if event["file"] == "b.csv"]
    host.wait("file_accepted", file="b.csv")
    host.wait("store_reached")
    assert not named_but_missing(host, s3, url)
    with s3.away():
        drop(rows(3), host.data / "c.csv")
        host.wait("store_awaited", since=len(host.events))
        assert host.stop() == 0  # it does not wait for the store


def test_a_store_that_does_not_mend_itself_is_refused_at_the_start(make_host: Callable[[], Daemon]) -> None:
    """A bucket that is not there, by the service and by servers on another host, with the way out and no secret; the
    ledger is as it was, so that the right bucket is all it takes."""
    host = make_host()
    right = host.config.read_text()
    host.config.write_text(re.sub("s3://[^/]+", "s3://no-such-bucket", right))
    for command in ("run", "serve"):
        assert host.start(wait_ready=False, command=command).wait_dead() == 1
        assert "NoSuchBucket; check [service] store" in host.tail() and SECRET not in host.tail()
        if command == "run":
            (host.folder / "state").rename(host.folder / "before")
    host.config.write_text(right)
    host.start()
    assert host.stop() == 0
