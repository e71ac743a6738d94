"""A state folder and an object store become the same, on a real S3 server."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import wait_for
from s3 import S3, needs_s3

from daemon.config.paths import StatePaths
from daemon.ledger.references import References
from daemon.runtime.stored_state import StoredState
from retrain import durable
from retrain.records.errors import Refused
from retrain.store.backends.objects import StoreFailed
from retrain.store.versions import has_all_files, write_manifest

pytestmark = [needs_s3, pytest.mark.xdist_group("postgresql")]
VERSION = "versions/m/v0001-0a0a0a0a"
GRACE_S = 100.0


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


def test_a_snapshot_that_is_not_what_its_name_says_is_refused(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    """Nothing of it gets into the folder."""
    first, second = hosts
    (tmp_path / "other").write_bytes(b"other")
    name = f"snapshots/m/{'0' * 32}.parquet"
    first.stored.store.put(name, tmp_path / "other")
    with pytest.raises(StoreFailed, match="not what its name says"):
        second.stored.fetch(References(frozenset({name}), frozenset(), frozenset()), was_copy=True)
    assert not list((second.state / "snapshots/m").iterdir())


def test_what_is_gone_goes_after_its_grace(hosts: tuple[Host, Host]) -> None:
    """Not before; not where it came back meanwhile; at once where that is asked, but for versions; and nothing where the
    folder itself is gone."""
    host, _ = hosts
    rows, back, version = host.snapshot(b"rows"), host.snapshot(b"back"), host.version()
    asyncio.run(host.stored())
    for name in (rows, back, version):
        durable.remove(host.state / name, "test")
    assert host.stored.sweep() == 0
    host.now_s = GRACE_S - 1
    host.snapshot(b"back")
    assert host.stored.sweep() == 0
    host.now_s = GRACE_S
    copied = StatePaths(host.state).copied
    kept = copied.read_bytes()
    copied.unlink()
    assert host.stored.sweep() == 0
    copied.write_bytes(kept)
    assert host.stored.sweep() == 4
    assert host.names() == {back}
    durable.remove(host.state / back, "test")
    host.version()
    asyncio.run(host.stored())
    durable.remove(host.state / version, "test")
    assert host.stored.sweep(at_once=True) == 1
    assert {name.rpartition("/")[0] for name in host.names()} == {VERSION, f"{VERSION}/reference"}
