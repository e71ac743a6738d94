"""Two hosts with one ledger and one store: one leads, the other one stands by and takes over."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import local_http
import psutil
import psycopg
import pyarrow as pa
import pytest
from daemon_harness import FAST, Daemon, Event, Load, drop, rows
from helpers import slowness, wait_for
from postgresql import PASSWORD, Server, needs_postgresql
from relay import Relay
from s3 import S3, needs_s3

CONFIG = f"""\
id_column = "id"
{FAST}
[models.m.columns]
id = "category"
x = "number"
z = "number"
colour = "category"
label = "category"
"""
IMPATIENT_US = str(20_000_000)
"""A watchdog's time of which the half is soon over."""
pytestmark = [needs_postgresql, needs_s3, pytest.mark.xdist_group("postgresql")]


@pytest.fixture
def make_host(make_daemon: Callable[..., Daemon], s3: S3, url: str) -> Callable[..., Daemon]:
    """Makes a host with a folder of its own, on the same ledger, store and data as the others of its shard; it may reach
    the database and the store by other ports."""
    made, bucket = dict[str | None, Daemon](), s3.bucket()

    def make(port: int | None = None, store_port: int | None = None, shard: str | None = None) -> Daemon:
        service = f'page = false\nlease = "{round(3 * slowness())}s"\nledger_file = "url"\nstore = "{bucket}/driftd"\nstore_file = "options"'
        service += "" if shard is None else f'\nshard = "{shard}"'
        host = make_daemon(CONFIG, service=service, columns=False)
        (host.folder / "url").write_text(url if port is None else re.sub(r":\d+/", f":{port}/", url))
        options = "".join(f"{name}={value}\n" for name, value in s3.options.items())
        (host.folder / "options").write_text(options.replace(f":{s3.port}\n", f":{store_port or s3.port}\n"))
        for name in ("url", "options"):
            (host.folder / name).chmod(0o600)
        if shard in made:
            host.data.rmdir()
            host.data.symlink_to(made[shard].data)
        made.setdefault(shard, host)
        return host

    return make


@pytest.fixture
def pair(make_host: Callable[..., Daemon]) -> tuple[Daemon, Daemon, Event]:
    """One that leads and serves its first version, one that stands by and serves it, too, and its promotion."""
    return begun(make_host(), make_host())


def begun(first: Daemon, second: Daemon) -> tuple[Daemon, Daemon, Event]:
    """The first leads, the second stands by."""
    first.start()
    second.start()
    assert second.wait("standing_by")["leader"] == first.wait("lease_acquired")["holder"]
    drop(data(1), first.data / "a.csv")
    promoted = first.wait("version_promoted")
    for host in (first, second):
        host.wait("model_swapped", version=promoted["version"])
    first.wait("cycle_finished")
    return first, second, promoted


def servers(host: Daemon) -> set[int]:
    """Its processes that answer."""
    assert host.process is not None
    return {one.pid for one in psutil.Process(host.process.pid).children() if "daemon.server" in one.cmdline()}


def data(seed: int, n: int = 600, **changed: Any) -> pa.Table:
    """Rows with ids."""
    return rows(seed, n, **changed).append_column("id", [[f"{seed}-{row}" for row in range(n)]])


def terms(url: str) -> int:
    """The newest term."""
    with psycopg.connect(url) as ledger:
        row = ledger.execute("SELECT term FROM leases").fetchone()
    assert row is not None
    return int(row[0])


def taken(url: str, schema: str = "public") -> list[str]:
    """The data files that were taken in, in their order."""
    with psycopg.connect(url, options=f"-c search_path={schema}") as ledger:
        return [row[0] for row in ledger.execute("SELECT path FROM files WHERE path NOT LIKE 'labels/%' ORDER BY id")]


def tell(host: Daemon, *ids: str) -> None:
    """Labels of these rows, which it acknowledges."""
    labels = [{"id": one, "label": "yes"} for one in ids]
    assert local_http.post(f"{host.url}/models/m/feedback", json={"labels": labels}).status_code == 202


def told(url: str) -> list[int]:
    """Of each file of labels, how many the ledger has."""
    with psycopg.connect(url) as ledger:
        return [row[0] for row in ledger.execute("SELECT rows FROM files WHERE path LIKE 'labels/%' ORDER BY id")]


def test_a_killed_leader_is_followed_by_the_one_that_stands_by(pair: tuple[Daemon, Daemon, Event], url: str) -> None:
    """Predictions of the stand-by never fail: its server, which lives on, serves what the leader promoted, and it takes
    over with that model and the next file, taken once. Status says who leads, doctor finds no fault; commands and
    labels on either host reach the leader. The killed one stands by when it is back: what it acknowledged just before
    goes to who leads then, once. It takes over where the other one is stopped in order."""
    first, second, promoted = pair
    assert second.predict().json() == first.predict().json()
    leader = second.json("status")["leader"]
    assert leader["holder"] == first.wait("lease_acquired")["holder"] and leader["leads"] and not leader["is_here"]
    assert "this host stands by" in second.cli("status").stdout and "that is this host" in first.cli("status").stdout
    for host in (first, second):
        assert [one["what"] for one in host.json("doctor") if one["level"] == "error"] == []
    second.cli("pause", "m")
    assert first.json("status")["models"]["m"]["paused"]
    second.cli("resume", "m")
    tell(second, "1-1", "1-2")
    wait_for(lambda: told(url) == [2])

    before = servers(second)
    with Load(second.predict) as load:
        tell(first, "1-3", "1-4", "1-5")
        first.kill()
        acquired = second.wait("lease_acquired", term=2)
        second.wait("leader_gone", term=1)
        drop(data(2), first.data / "b.csv")
        second.wait("file_accepted", file="b.csv")
        second.wait("service_ready", since=second.events.index(acquired))
    assert not load.failures and promoted["version"] in load.versions and servers(second) == before
    assert taken(url) == ["a.csv", "b.csv"] and second.json("status")["leader"]["is_here"]

    since = len(first.events)
    first.start()
    first.wait("standing_by", since=since, term=2)
    wait_for(lambda: told(url) == [2, 3])
    assert second.stop() == 0
    assert first.wait("lease_acquired", since=since)["term"] == 3
    assert not list(first.seen("leader_gone", since=since))
    assert first.stop() == 0 and told(url) == [2, 3]
    assert PASSWORD not in "\n".join([*first.raw, *second.raw])


def test_each_shard_has_a_leader_and_moves_by_itself(make_host: Callable[..., Daemon], url: str) -> None:
    """Two on one database and in one bucket, with a model of the same name. Where one's leader is killed its stand-by
    takes over, in that shard alone: the other one's leader stays, goes on to take files in, and neither its ledger nor
    its part of the bucket has anything of that. Status, doctor and commands are of the shard that the configuration
    names; a folder of one shard is refused to the other."""
    first, second, promoted = begun(make_host(shard="eu"), make_host(shard="eu"))
    other = make_host(shard="us")
    other.start()
    assert other.wait("lease_acquired")["term"] == 1
    drop(data(5), other.data / "u.csv")
    theirs = other.wait("version_promoted")
    other.wait("model_swapped", version=theirs["version"])
    other.wait("cycle_finished")
    assert (first.json("status")["shard"], other.json("status")["shard"]) == ("eu", "us")
    assert "shard us; " in other.cli("status").stdout
    for host in (first, other):
        assert [one["what"] for one in host.json("doctor") if one["level"] == "error"] == []

    since = len(other.events)
    with Load(other.predict) as load:
        first.kill()
        drop(data(2, 60), first.data / "b.csv")
        drop(data(6, 60), other.data / "v.csv")
        other.wait("file_accepted", file="v.csv")
        second.wait("lease_acquired", term=2)
        second.wait("leader_gone", term=1)
        second.wait("file_accepted", file="b.csv")
    assert not load.failures and load.versions == {theirs["version"]}
    assert second.predict().json()["version"] == promoted["version"] != theirs["version"]
    assert taken(url, "shard_eu") == ["a.csv", "b.csv"] and taken(url, "shard_us") == ["u.csv", "v.csv"]
    assert taken(url) == []
    assert [one for one in other.events[since:] if one["level"] in ("warning", "error")] == []
    leader = other.json("status")["leader"]
    assert leader["term"] == 1 and leader["is_here"] and second.json("status")["leader"]["term"] == 2

    assert second.stop() == 0 and other.stop() == 0
    text = second.config.read_text()
    second.config.write_text(text.replace('shard = "eu"', 'shard = "us"'))
    for command in ("status", "run", "serve"):
        refused = second.cli(command, check=False)
        assert refused.returncode != 0
        assert "is of shard eu, and this one is us; nothing was changed" in refused.stderr


@pytest.mark.long
def test_a_leader_that_stands_still_writes_nothing_once_it_goes_on(
    pair: tuple[Daemon, Daemon, Event], url: str
) -> None:
    """It is stopped amid a cycle with its trainer. The other one takes over and ends that cycle; once the first goes on
    it ends what it began and stands by, and the other one's promotion is swapped there."""
    first, second, promoted = pair
    drop(data(2, 2000, shift=2.0, flip=True), first.data / "b.parquet")
    first.wait("stage_started", stage="train", since=first.events.index(promoted))
    assert first.process is not None
    os.kill(first.process.pid, signal.SIGSTOP)
    since = len(first.events)
    second.wait("lease_acquired", term=2)
    better = second.wait("version_promoted")
    drop(data(3), first.data / "c.csv")
    second.wait("file_accepted", file="c.csv")
    second.wait("cycle_finished", since=second.events.index(better))
    os.kill(first.process.pid, signal.SIGCONT)
    first.wait("lease_lost", since=since, term=1)
    first.wait("standing_by", since=since, term=2)
    wait_for(lambda: first.predict().json() == second.predict().json())
    wait_for(lambda: children(first.process.pid) == 1, what="only its server is left")  # type: ignore[union-attr]
    for event in ("file_accepted", "version_promoted", "cycle_finished", "stage_finished"):
        assert not list(first.seen(event, since=since))
    assert taken(url) == ["a.csv", "b.parquet", "c.csv"] and terms(url) == 2
    assert len(second.json("versions", "m")) == 2
    assert first.stop() == 0 and second.stop() == 0


@pytest.mark.long
def test_a_leader_that_is_cut_off_stands_by_once_it_is_back(
    make_host: Callable[..., Daemon], postgresql: Server, url: str
) -> None:
    """From the database alone, as by a cable that is unplugged: it goes on to serve, and takes no file in, which the
    other one does. Back, it stands by, and takes over once the other one is gone."""
    with Relay(postgresql.port) as relay:
        first, second, _ = begun(make_host(relay.port), make_host())
        relay.hold()
        second.wait("lease_acquired", term=2)
        drop(data(2), first.data / "b.csv")
        second.wait("file_accepted", file="b.csv")
        assert first.predict().status_code == 200
        relay.go_on()
        first.wait("lease_lost", term=1)
        first.wait("standing_by", term=2)
        second.kill()
        first.wait("lease_acquired", term=3)
        drop(data(3), first.data / "c.csv")
        first.wait("file_accepted", file="c.csv")
        assert taken(url) == ["a.csv", "b.csv", "c.csv"]
        assert not list(first.seen("file_accepted", file="b.csv"))
        assert first.stop() == 0


@pytest.mark.long
def test_a_leader_whose_disk_hangs_is_followed(
    pair: tuple[Daemon, Daemon, Event], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands still while it publishes what it read of a file, and goes on to serve. The other one takes the lead, and
    takes that file in."""
    other, first, _ = pair
    assert first.stop() == 0
    monkeypatch.setenv("WATCHDOG_USEC", IMPATIENT_US)
    monkeypatch.setenv("DRIFTD_HANG_AT", "intake.publish.before_rename")
    first.start()
    assert other.stop() == 0
    first.wait("lease_acquired", term=2)
    for name in ("WATCHDOG_USEC", "DRIFTD_HANG_AT"):
        monkeypatch.delenv(name)
    since = len(other.events)
    other.start()
    other.wait("standing_by", since=since, term=2)
    drop(data(2), first.data / "b.csv")
    first.wait("lease_held_back", term=2)
    other.wait("lease_acquired", since=since, term=3)
    other.wait("file_accepted", since=since, file="b.csv")
    assert first.predict().json() == other.predict().json()
    assert taken(url) == ["a.csv", "b.csv"] and other.stop() == 0


@pytest.mark.long
def test_a_leader_that_is_cut_off_from_the_store_is_followed(
    make_host: Callable[..., Daemon], s3: S3, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the one that reaches it, which takes in what waited for it; once it is back it stands by. While the store is
    away for both nobody takes the lead, and the leader goes on under its term once it is back."""
    monkeypatch.setenv("WATCHDOG_USEC", IMPATIENT_US)
    with Relay(s3.port) as relay, Relay(s3.port) as other_relay:
        first, second, _ = begun(make_host(store_port=relay.port), make_host(store_port=other_relay.port))
        for one in (relay, other_relay):
            one.cut()
        drop(data(2), first.data / "b.csv")
        first.wait("lease_held_back", term=1)
        for one in (relay, other_relay):
            one.mend()
        first.wait("lease_kept", term=1)
        first.wait("file_accepted", file="b.csv")

        relay.cut()
        since = len(first.events)
        drop(data(3), first.data / "c.csv")
        second.wait("lease_acquired", term=2)
        second.wait("file_accepted", file="c.csv")
        first.wait("lease_lost", since=since, term=1)
        relay.mend()
        first.wait("standing_by", since=since, term=2)
        assert taken(url) == ["a.csv", "b.csv", "c.csv"] and first.predict().json() == second.predict().json()
        assert first.stop() == 0 and second.stop() == 0


def children(pid: int) -> int:
    """How many processes it has."""
    return len(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split())
