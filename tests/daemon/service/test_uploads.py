"""Segments of a host without control on their way to control's spools, on a real S3 server, without any service."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bare_model import BINARY, bare_model
from s3 import S3, needs_s3

from daemon.config.paths import StatePaths
from daemon.config.uploads import LOGGED, POSTED, TRIALS, of_files, of_name
from daemon.ledger import uploads
from daemon.reports.followers import follower_sentence, followers_json
from daemon.runtime.context import ModelContext
from daemon.runtime.spool import Spool
from daemon.runtime.stored_state import StoredState
from daemon.service.followers import FORGOTTEN_S, SILENT_S, Followers
from daemon.service.heartbeat import Heartbeat
from daemon.service.receiving import Receiving, clear_received
from daemon.service.serving_host import make_room
from daemon.service.uploading import Uploading
from retrain.store.backends.objects import ObjectStore, StoreFailed

pytestmark = [needs_s3, pytest.mark.xdist_group("postgresql")]
GRACE_S = 100.0
SEEN = {
    "rows": 3, "failures": 0, "compared": 3, "differed": 1.0, "skipped": 0, "champion_s": 0.1, "challenger_s": 0.2,
    "error": "",
}  # fmt: skip


@dataclass
class World:
    """A host without control in `folder`, control's model in a folder of its own, and the store of both."""

    folder: Path
    store: ObjectStore
    control: ModelContext
    now_ns: int = 2 * 10**18

    def __post_init__(self) -> None:
        self.host = StoredState(self.store, self.folder, GRACE_S)
        self.paths = StatePaths(self.folder)
        for kind in (POSTED, LOGGED, TRIALS):
            (self.paths.uploads / kind).mkdir(parents=True, exist_ok=True)
        self.uploading = self.begun()
        self.receiving = self.received()

    def begun(self) -> Uploading:
        """The host's process, begun anew."""
        return Uploading(self.paths, ("m",), self.host, lambda: self.now_ns)

    def received(self) -> Receiving:
        """Control, begun anew."""
        clear_received(self.control.shared.config.paths)
        stored = StoredState(self.store, self.control.folders.state, GRACE_S)
        return Receiving(self.control.shared, stored, lambda: False, lambda _: None)

    def write(self, *lines: bytes, kind: str = POSTED) -> None:
        """A segment that a server closed."""
        spool = Spool(self.paths.model("m").uploads(kind))
        spool.append_lines(lines)
        spool.close_old(at_once=True)

    def look(self) -> None:
        """Control's."""
        asyncio.run(self.receiving.look())

    @property
    def stored(self) -> list[str]:
        """What is in the store, in its order."""
        return sorted(self.store.names("uploads/"))

    @property
    def waiting(self) -> list[Path]:
        """What waits in control's spool, in its order."""
        return sorted(self.control.folders.spool.glob("*.jsonl"))

    def take(self, count: int) -> list[bytes]:
        """As the intake does: what came, committed with how far it is, and removed."""
        taken = self.waiting[:count]
        with self.control.shared.ledger.begin() as conn:
            uploads.record(conn, of_files(POSTED, "m", [path.name for path in taken]))
        found = [path.read_bytes() for path in taken]
        for path in taken:
            path.unlink()
        return found


@pytest.fixture
def world(tmp_path: Path, s3: S3) -> Iterator[World]:
    """With nothing in it."""
    (tmp_path / "host").mkdir()
    (tmp_path / "control").mkdir()
    with bare_model(tmp_path / "control", BINARY) as control:
        made = World(tmp_path / "host", s3.store(f"{s3.bucket()}/driftd"), control)
        yield made
        made.uploading.close()


def test_segments_come_in_their_order_once(world: World) -> None:
    """Each goes from the host, from the store once the ledger knows it, and comes again to a control that begins anew
    until then. What is put again, after it was taken and deleted, is deleted again."""
    for line in (b"1", b"2", b"3"):
        world.write(line)
    assert world.uploading.upload() and len(world.stored) == 3
    assert not list(world.folder.rglob("*.jsonl"))
    world.look()
    assert [path.read_bytes() for path in world.waiting] == [b"1\n", b"2\n", b"3\n"]
    first = world.stored[0]
    again = world.store.read(first)
    assert world.take(1) == [b"1\n"]
    world.receiving = world.received()
    assert world.waiting == []
    world.look()
    assert [path.read_bytes() for path in world.waiting] == [b"2\n", b"3\n"] and len(world.stored) == 2
    world.take(2)
    world.look()
    assert world.stored == [] and world.waiting == []
    put_again = world.folder / "again"
    put_again.write_bytes(again)
    world.store.put(first, put_again)
    world.look()
    assert world.stored == [] and world.waiting == []


def test_numbers_only_grow(world: World) -> None:
    """Whatever the clock says, and after a restart; two processes never upload side by side."""
    for now_ns in (2 * 10**18, 10**18, 2 * 10**18):
        world.now_ns = now_ns
        world.uploading.close()
        world.uploading = world.begun()
        world.write(b"x")
        world.write(b"y")
        assert world.uploading.upload()
    names = [of_name(name) for name in world.stored]
    assert [one and one.number for one in names] == list(range(2 * 10**18, 2 * 10**18 + 6))
    world.write(b"z")
    world.begun().upload()
    assert len(world.stored) == 6


def test_a_damaged_object_stops_its_stream_alone(world: World) -> None:
    """What comes after it counts for it, too: it has to wait; another kind goes on."""
    world.write(b"good")
    world.uploading.upload()
    damaged = world.folder / "damaged"
    damaged.write_bytes(b"bad\n")
    (name,) = world.stored
    world.store.put(name, damaged)
    world.write(b"later")
    world.write(b"answered", kind=LOGGED)
    world.uploading.upload()
    world.look()
    assert world.waiting == []
    assert [path.read_bytes() for path in world.control.folders.log_spool.glob("*.jsonl")] == [b"answered\n"]
    world.store.delete([name])
    world.look()
    assert [path.read_bytes() for path in world.waiting] == [b"later\n"]


def test_what_servers_saw_of_trials_is_added_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With how far it is, in one transaction; a kill before it adds nothing, one after it nothing more."""
    added: list[tuple[int, dict[str, Any]]] = []
    monkeypatch.setattr("daemon.service.receiving.trials.add", lambda _, trial, seen: added.append((trial, seen)))
    world.uploading.note_trial({"model": "m", "trial": 7, "seen": SEEN})
    world.uploading.note_trial({"model": "m", "trial": 7, "seen": SEEN | {"rows": 4}})
    world.uploading.upload()
    world.look()
    world.receiving = world.received()
    world.look()
    assert [(trial, seen["rows"]) for trial, seen in added] == [(7, 3), (7, 4)] and world.stored == []


def test_while_the_store_is_away_all_waits(world: World, s3: S3) -> None:
    """On the host's disk, under its numbers; what a host that became control left is put by control."""
    world.write(b"1")
    world.uploading = Uploading(world.paths, ("m",), StoredState(_Away(world.store), world.folder, GRACE_S))
    assert not world.uploading.upload()
    assert len(list(world.folder.rglob("*.jsonl"))) == 1
    world.uploading.close()
    left = next(iter(world.folder.rglob("*.jsonl")))
    own = world.control.shared.config.paths.model("m").uploads(POSTED)
    own.mkdir(parents=True)
    left.rename(own / left.name)
    world.look()
    assert [path.read_bytes() for path in world.waiting] == [b"1\n"]


def test_hosts_are_heard_missed_and_forgotten(world: World) -> None:
    """By the clock of who hears them; one that takes leave is not missed. What it serves is told beside what is
    promoted."""
    config, clock = world.control.shared.config, [1e9]
    servers: list[dict[str, Any]] = [{"pid": 1, "models": {"m": {"version": "v1", "promotion": 1, "reason": ""}}}]
    beat = Heartbeat(config, StoredState(world.store, config.state_dir, GRACE_S), lambda: servers, "http://a:1")
    make_room(config)
    followers = Followers(config.paths, world.host, lambda: clock[0])
    beat.put(beat.facts(0.0))
    followers.look(world.store.names("uploads/"))

    def told(promotion: int, after_s: float) -> tuple[bool, str]:
        (one,) = followers_json(config.paths, {"m": ("v2", promotion, 1e9 - 5)}, 1e9 + after_s)
        return follower_sentence(one)

    is_trouble, sentence = told(1, 2)
    assert not is_trouble and "serves 1 model; heard 2 s ago" in sentence
    assert told(2, 2)[1].endswith("m 5 s behind: v1, not v2")
    assert told(1, SILENT_S + 2) == (True, told(1, SILENT_S + 2)[1]) and "SILENT" in told(1, SILENT_S + 2)[1]
    clock[0] += FORGOTTEN_S + 1
    followers.look(world.store.names("uploads/"))
    assert followers_json(config.paths, {}, clock[0]) == [] and world.stored == []
    beat.put(beat.facts(0.0))
    beat.leave()
    assert world.stored == []


def test_a_host_reaches_the_store_again_once_it_was_heard_twice(world: World) -> None:
    """After it was not heard once; until then it does not take over from a host that may reach the store by now."""
    config = world.control.shared.config
    make_room(config)
    stored = StoredState(world.store, config.state_dir, GRACE_S)
    beat = Heartbeat(config, stored, list, "http://a:1")
    assert beat.is_heard
    stored.store = _Away(world.store)
    beat.put({})
    stored.store = world.store
    heard = []
    for _ in range(2):
        heard.append(beat.is_heard)
        beat.put({})
    assert heard == [False, False] and beat.is_heard


class _Away(ObjectStore):
    """A store that takes nothing, as one that cannot be reached."""

    def __init__(self, other: ObjectStore) -> None:
        self.__dict__ |= other.__dict__

    def put(self, name: str, path: Path) -> None:
        raise StoreFailed("away")
