"""A state folder and an object store become the same, on a real S3 server."""

import asyncio
import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from helpers import wait_for
from postgresql import Server, needs_postgresql
from s3 import S3, needs_s3

from daemon.config.paths import StatePaths
from daemon.ledger import open_ledger
from daemon.ledger.references import References
from daemon.runtime.lock import sole_owner
from daemon.runtime.stored_state import Owner, StoredState
from retrain import durable
from retrain.records.errors import Refused, Retry
from retrain.store.backends.objects import ObjectStore, StoreFailed
from retrain.store.versions import has_all_files, write_manifest

pytestmark = [needs_s3, pytest.mark.xdist_group("postgresql")]
VERSION = "versions/m/v0001-0a0a0a0a"
GRACE_S = 100.0
NOTHING = References(frozenset(), frozenset(), frozenset())


class Host:
    """A state folder whose clock is set by hand."""

    def __init__(self, s3: S3, uri: str, state: Path) -> None:
        self.state, self.now_s = state, 0.0
        self.stored = StoredState(s3.store(uri), state, GRACE_S, lambda: self.now_s)
        durable.write_file(StatePaths(state).copied, b"{}", "test")

    def write(self, name: str, content: bytes) -> str:
        """As parts of the service publish a file."""
        path = self.state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.write_file(path, content, "test")
        return name

    def snapshot(self, content: bytes) -> str:
        """Named by what it holds."""
        made = self.write("made", content)
        name = f"snapshots/m/{durable.sha256(self.state / made)[:32]}.parquet"
        (self.state / name).parent.mkdir(parents=True, exist_ok=True)
        durable.publish_file(self.state / made, self.state / name, "test")
        return name

    def version(self) -> str:
        """A whole one."""
        for name in ("model.skops", "reference/users.npz"):
            self.write(f"{VERSION}/{name}", name.encode())
        write_manifest(self.state / VERSION, "v0001-0a0a0a0a", 1, "0a", {})
        return VERSION

    def names(self) -> set[str]:
        """What the store has."""
        return set(self.stored.store.names())


@pytest.fixture
def hosts(s3: S3, tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Two with one store; what the first one publishes is observed."""
    uri = f"{s3.bucket()}/driftd"
    for name in "ab":
        (tmp_path / name).mkdir()
    first, second = (Host(s3, uri, tmp_path / name) for name in "ab")
    first.stored.observe()
    yield first, second
    for host in (first, second):
        host.stored.close()


def test_what_lasts_is_put_and_nothing_else(hosts: tuple[Host, Host]) -> None:
    """Snapshots, versions and what else the ledger names; no hidden file, segment, link, unfinished work or file that is
    gone again, and nothing twice."""
    host, _ = hosts
    kept = {host.snapshot(b"rows"), host.write("quarantine/m/r.jsonl", b"{}"), host.write("forget.key", b"k")}
    kept |= {host.write("prediction_log/m/p.parquet", b"p"), host.write("pulled/m/t/rows.parquet", b"r")}
    host.version()
    kept |= {f"{VERSION}/{name}" for name in ("manifest.json", "model.skops", "reference/users.npz")}
    for name in ("spool/m/1.jsonl", "prediction_log/m/spool/1.open", "work/cycles/1/train.parquet", "serving.json"):
        host.write(name, b"x")
    durable.link(Path(VERSION).name, host.state / "versions/m/current", "test")
    durable.remove(host.state / host.write("quarantine/m/gone.jsonl", b"x"), "test")
    asyncio.run(host.stored())
    assert host.names() == kept
    assert host.stored.put_missing() == 0


def test_who_is_cancelled_leaves_what_others_wait_for(hosts: tuple[Host, Host], s3: S3) -> None:
    """One waits for the files of all: where it is cancelled meanwhile, the next one puts them again."""
    host, _ = hosts
    rows = host.snapshot(b"rows")

    async def cancelled() -> None:
        waiting = asyncio.create_task(host.stored())
        await asyncio.sleep(0)
        while not host.stored._putting.locked() or host.stored._changed:
            await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait({waiting})

    with s3.away():
        asyncio.run(cancelled())
        assert list(host.stored._changed) == [rows]
    asyncio.run(host.stored())
    assert host.names() == {rows}


def test_a_folder_becomes_what_the_ledger_names(hosts: tuple[Host, Host]) -> None:
    """Files of others go, those that are named come, a version that is not whole comes anew, what may have changed
    under its name comes as it is now, and what the store lacks is told."""
    first, second = hosts
    rows, rejects = first.snapshot(b"rows"), first.write("quarantine/m/r.jsonl", b"newer")
    unnamed, version = first.snapshot(b"unnamed"), first.version()
    asyncio.run(first.stored())
    second.write("snapshots/m/old.parquet", b"old")
    second.write("quarantine/m/r.jsonl", b"older")
    second.version()
    (second.state / VERSION / "model.skops").write_bytes(b"damage of bits"[: len(b"model.skops")])
    named = References(frozenset({rows, "snapshots/m/lost.parquet"}), frozenset({version}), frozenset({rejects}))
    found = second.stored.fetch(named, was_copy=True)
    assert found.missing == ("snapshots/m/lost.parquet",)
    assert (second.state / rows).read_bytes() == b"rows"
    assert (second.state / rejects).read_bytes() == b"newer"
    assert has_all_files(second.state / version)
    assert not (second.state / "snapshots/m/old.parquet").exists() and not (second.state / unnamed).exists()
    assert second.stored.fetch(named, was_copy=True).files <= 2  # what is named by what it holds is not fetched again


def test_a_folder_follows_what_another_host_writes(hosts: tuple[Host, Host]) -> None:
    """While another host leads: what is named comes, also what is another one under the same name, and what is not named
    any more goes. Nothing is put. Who takes over then fetches nothing again."""
    first, second = hosts
    StatePaths(second.state).copied.unlink()
    rows, rejects, version = first.snapshot(b"rows"), first.write("quarantine/m/r.jsonl", b"older"), first.version()
    asyncio.run(first.stored())
    named, turn = References(frozenset({rows}), frozenset({version}), frozenset({rejects})), threading.Lock()
    second.stored.follow("ledger", lambda: named, turn)
    assert has_all_files(second.state / version) and (second.state / rejects).read_bytes() == b"older"
    before = (second.state / rejects).stat().st_ino
    second.stored.follow("ledger", lambda: named, turn)
    assert (second.state / rejects).stat().st_ino == before

    at = first.stored.store.names()[rejects].at
    wait_for(lambda: time.time() >= int(at) + 1)
    first.write("quarantine/m/r.jsonl", b"newer")
    more = first.snapshot(b"more")
    asyncio.run(first.stored())
    own, there = second.write("quarantine/m/own.jsonl", b"own"), first.names()
    named = References(frozenset({more}), frozenset({version}), frozenset({rejects, own}))
    second.stored.follow("ledger", lambda: named, turn)
    assert (second.state / rejects).read_bytes() == b"newer" and (second.state / more).read_bytes() == b"more"
    assert not (second.state / rows).exists() and first.names() == there
    assert second.stored.fetch(named, was_copy=True).files == 0 and first.names() == there | {own}


def test_a_folder_that_was_filled_without_a_store_is_put_into_it(hosts: tuple[Host, Host]) -> None:
    """What the ledger names stays, though the store has nothing yet."""
    _, second = hosts
    rows, version, unnamed = second.snapshot(b"rows"), second.version(), second.snapshot(b"unnamed")
    found = second.stored.fetch(References(frozenset({rows}), frozenset({version}), frozenset()), was_copy=False)
    assert found.missing == () and found.files == 0
    assert second.names() == {
        rows,
        *(f"{VERSION}/{name}" for name in ("manifest.json", "model.skops", "reference/users.npz")),
    }
    assert (second.state / unnamed).exists()  # nobody said that the folder is a copy


def test_a_folder_of_another_ledger_is_left_alone(hosts: tuple[Host, Host]) -> None:
    """It is refused, as is a store that has nothing of this ledger; nothing is removed."""
    _, second = hosts
    rows = second.snapshot(b"rows")
    with pytest.raises(Refused, match="of another ledger"):
        second.stored.fetch(References(frozenset(), frozenset(), frozenset()), was_copy=False)
    with pytest.raises(StoreFailed, match="the right bucket"):
        second.stored.fetch(References(frozenset(), frozenset({VERSION}), frozenset()), was_copy=True)
    assert (second.state / rows).exists() and not second.names()


def test_a_snapshot_that_is_not_what_its_name_says_is_as_good_as_missing(
    hosts: tuple[Host, Host], tmp_path: Path
) -> None:
    """Nothing of it gets into the folder, and all else does."""
    first, second = hosts
    (tmp_path / "other").write_bytes(b"other")
    name = f"snapshots/m/{'0' * 32}.parquet"
    first.stored.store.put(name, tmp_path / "other")
    rows = first.snapshot(b"rows")
    asyncio.run(first.stored())
    found = second.stored.fetch(References(frozenset({name, rows}), frozenset(), frozenset()), was_copy=True)
    assert found.missing == (name,)
    assert [path.name for path in (second.state / "snapshots/m").iterdir()] == [Path(rows).name]


def test_a_version_with_a_damaged_object_is_as_good_as_missing(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    """Nothing of it stays: whoever loads what is here loads what was published."""
    first, second = hosts
    version = first.version()
    asyncio.run(first.stored())
    (tmp_path / "other").write_bytes(b"damage of bits"[: len(b"model.skops")])
    first.stored.store.put(f"{version}/model.skops", tmp_path / "other")
    found = second.stored.fetch(References(frozenset(), frozenset({version}), frozenset()), was_copy=True)
    assert found.missing == (f"{version}/manifest.json",)
    assert not (second.state / version).exists()
    with pytest.raises(StoreFailed, match="not whole"):
        second.stored.fetch_version(version)
    with pytest.raises(StoreFailed, match="the right bucket"):
        second.stored.fetch_version("versions/m/v0002-0b0b0b0b")
    assert not list((second.state / "versions/m").iterdir())


def test_a_store_is_of_one_ledger(hosts: tuple[Host, Host]) -> None:
    """Another ledger, and a copy of it, are refused, however they call themselves: each would delete what the other one
    needs. So is a ledger that names nothing of what was there before stores said whose they are. Nothing is changed."""
    first, second = hosts
    mine, copy = Owner("cluster/1/public", "db:5432/driftd"), Owner("cluster/2/public", "db:5432/driftd")
    rows = first.snapshot(b"rows")
    asyncio.run(first.stored())
    nothing, named = (References(frozenset(names), frozenset(), frozenset()) for names in ((), (rows,)))
    with pytest.raises(Refused, match="none of which this ledger names"):
        second.stored.fetch(nothing, was_copy=False, owner=copy)
    assert first.names() == {rows}
    first.stored.fetch(named, was_copy=True, owner=mine)
    for references in (nothing, named):
        with pytest.raises(Refused, match=r"another or a copy of it.*remove s3://.*/ledger\.json"):
            second.stored.fetch(references, was_copy=False, owner=copy)
    renamed = Owner("cluster/1/public", "10.0.0.7:5432/driftd")
    assert second.stored.fetch(named, was_copy=False, owner=renamed).files == 1
    assert first.names() == {rows, "ledger.json"}


def test_who_may_not_put_finds_it_out_at_the_start(hosts: tuple[Host, Host], s3: S3) -> None:
    """And so does who names a bucket that is not there: it will not mend itself."""
    first, second = hosts
    first.snapshot(b"rows")
    asyncio.run(first.stored())
    s3.allow(first.stored.store.place, "s3:ListBucket", "s3:GetObject")
    reader = StoredState(ObjectStore(first.stored.store.place, s3.other), second.state, GRACE_S)
    with pytest.raises(StoreFailed, match="put failed: AccessDenied") as failed:
        reader.mark(Owner("cluster/1/public", "db"))
    assert failed.value.hopeless


def test_a_store_is_away_while_each_try_fails(hosts: tuple[Host, Host]) -> None:
    """From the first one on, until one succeeds; one that only takes long is not."""
    host = hosts[0]
    host.stored.failed("it takes long", is_slow=True)
    host.now_s = 7.0
    assert host.stored.away_s() == 0.0
    host.stored.failed("no answer")
    host.now_s = 12.0
    host.stored.failed("no answer")
    assert host.stored.away_s() == 5.0
    host.stored.reached()
    assert host.stored.away_s() == 0.0


def test_what_is_gone_goes_after_its_grace(hosts: tuple[Host, Host]) -> None:
    """Not before; not where it came back meanwhile; at once where that is asked, but for versions; and nothing where the
    folder itself is gone."""
    host, _ = hosts
    rows, back, version = host.snapshot(b"rows"), host.snapshot(b"back"), host.version()
    asyncio.run(host.stored())
    for name in (rows, back, version):
        durable.remove(host.state / name, "test")
    assert host.stored.sweep(NOTHING).deleted == 0
    host.now_s = GRACE_S - 1
    host.snapshot(b"back")
    assert host.stored.sweep(NOTHING).deleted == 0
    host.now_s = GRACE_S
    copied = StatePaths(host.state).copied
    kept = copied.read_bytes()
    copied.unlink()
    assert host.stored.sweep(NOTHING).deleted == 0
    copied.write_bytes(kept)
    assert host.stored.sweep(NOTHING).deleted == 4
    assert host.names() == {back}
    durable.remove(host.state / back, "test")
    host.version()
    asyncio.run(host.stored())
    durable.remove(host.state / version, "test")
    assert host.stored.sweep(NOTHING, at_once=True).deleted == 1
    assert {name.rpartition("/")[0] for name in host.names()} == {VERSION, f"{VERSION}/reference"}


def test_what_the_ledger_names_stays_though_the_folder_lost_it(hosts: tuple[Host, Host]) -> None:
    """The store has the only copy then. What went from the store by hand is put again."""
    host, _ = hosts
    lost, deleted, version = host.snapshot(b"lost"), host.snapshot(b"deleted"), host.version()
    asyncio.run(host.stored())
    named = References(frozenset({lost, deleted}), frozenset({version}), frozenset())
    before = host.names()
    for name in (lost, version):
        durable.remove(host.state / name, "test")
    host.stored.store.delete([deleted])
    for host.now_s in (0.0, GRACE_S):
        found = host.stored.sweep(named)
        assert (found.deleted, found.put) == (0, int(host.now_s == 0.0))
    assert host.names() == before


@needs_postgresql
def test_a_host_knows_that_another_one_took_over(hosts: tuple[Host, Host], postgresql: Server, tmp_path: Path) -> None:
    """Its servers follow then, though its folder is a copy; not while its own service is the last, or works again."""
    host, _ = hosts
    with postgresql.ledger() as url:
        for number, is_left in ((1, False), (2, True)):
            with closing(open_ledger(tmp_path / str(number), url=url)) as ledger:
                assert ledger.claim("a host", 60.0)
                if number == 1:
                    host.stored.say_copied(ledger.place, ledger.term)
                assert host.stored.is_left(ledger) == is_left
                with sole_owner(host.state):
                    assert not host.stored.is_left(ledger)


def test_nothing_is_deleted_where_another_ledger_has_the_store(hosts: tuple[Host, Host]) -> None:
    """Whose mark is there by now, or none."""
    host, _ = hosts
    rows = host.snapshot(b"rows")
    asyncio.run(host.stored())
    host.stored.owner = Owner("1", "db")
    host.stored.mark(Owner("2", "db"))
    with pytest.raises(Refused, match="another or a copy"):
        host.stored.sweep(NOTHING, at_once=True)
    host.stored.store.delete(["ledger.json"])
    with pytest.raises(StoreFailed, match="which says whose files"):
        host.stored.sweep(NOTHING, at_once=True)
    assert rows in host.names()


def test_who_may_not_delete_is_told_once_and_waited_for(hosts: tuple[Host, Host], s3: S3, tmp_path: Path) -> None:
    """As one who is forgotten is: it is over once nothing of them is there."""
    host, _ = hosts
    place = host.stored.store.place
    rows = host.snapshot(b"rows")
    asyncio.run(host.stored())
    durable.remove(host.state / rows, "test")
    s3.allow(place, "s3:ListBucket", "s3:GetObject", "s3:PutObject")
    mayless = StoredState(ObjectStore(place, s3.other), host.state, GRACE_S)
    ledger = open_ledger(tmp_path)

    async def waited() -> None:
        assert not await mayless.swept(ledger, at_once=True)
        assert not await mayless.swept(ledger, at_once=True)
        assert host.names() == {rows}
        s3.allow(place, "s3:*")
        await mayless.sweep_out(ledger)

    with structlog.testing.capture_logs() as logs:
        asyncio.run(waited())
    ledger.close()
    assert not host.names()
    assert [entry["event"] for entry in logs] == ["store_unswept", "store_swept"]
    assert "AccessDenied" in logs[0]["reason"]


def test_a_whole_copy_brings_back_what_it_lost(hosts: tuple[Host, Host]) -> None:
    """At the next start of the same host: what the ledger needs comes from the store, and nothing else is touched."""
    host, _ = hosts
    rows, version = host.snapshot(b"rows"), host.version()
    asyncio.run(host.stored())
    rejects = host.write("quarantine/m/newer.jsonl", b"{}")
    named = References(frozenset({rows, "snapshots/m/lost.parquet"}), frozenset({version}), frozenset())
    for name in (rows, version):
        durable.remove(host.state / name, "test")
    found = host.stored.complete(named, Owner("1", "db"))
    assert found.missing == ("snapshots/m/lost.parquet",) and found.files == 4
    assert has_all_files(host.state / version) and (host.state / rows).read_bytes() == b"rows"
    assert rejects in host.names() and (host.state / rejects).exists()


def test_a_disk_without_room_is_told_before_it_is_filled(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    """And what came of a version goes again where the disk became full meanwhile."""
    first, second = hosts
    version = first.version()
    asyncio.run(first.stored())
    durable.install_hook(_full_at("store.before_get"))
    try:
        with pytest.raises(OSError, match="No space left"):
            second.stored.fetch_version(version)
    finally:
        durable.install_hook(None)
    assert not list((second.state / "versions").rglob("*.*"))
    second.stored.room = lambda: 3
    with pytest.raises(Retry, match="has 3 free bytes"):
        second.stored.fetch_version(version)
    assert not list((second.state / "versions").rglob("*.*"))


def _full_at(name: str) -> durable.Hook:
    def hook(point: str) -> None:
        if point == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return hook
