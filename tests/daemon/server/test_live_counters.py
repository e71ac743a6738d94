"""Counters in a server: the same as of a rebuild, whatever came in which way, and never without what was acknowledged."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from event_logs import DAY_MS, interactions, log
from ledgers import new_ledger

from daemon.config.paths import ModelPaths, StatePaths
from daemon.intake.events import set_apart
from daemon.ledger import Ledger, files, models
from daemon.reading.look import Look
from daemon.runtime.counted import describe_counted
from daemon.runtime.describing import counted as counted_now
from daemon.runtime.spool import Spool, finished_segments, taking_folders
from daemon.server.recommendation.asked import Asked
from daemon.server.recommendation.lists import Asking, Lists, One, Seen
from daemon.server.recommendation.live import LiveModel
from daemon.server.recommendation.served import ServedRecommender
from daemon.server.trial import RunningTrial
from retrain import durable
from retrain.recommendation import live as following
from retrain.recommendation.blend import FIRST
from retrain.recommendation.catalogue import Catalogue
from retrain.recommendation.catalogue_file import write_catalogue
from retrain.recommendation.counters import Counters, count
from retrain.recommendation.ease import EaseSettings, fit
from retrain.recommendation.interactions import Interactions, joined
from retrain.recommendation.live import compacted
from retrain.recommendation.parts import HALF_LIVES, live_tables
from retrain.recommendation.posted import PostedEvent, line_of
from retrain.recommendation.standing import Counted
from retrain.recommendation.version import LoadedRecommender, Trained, own_part
from retrain.records.deployment import Deployment
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings
from retrain.records.trial import Trial

SETTINGS = ModelSettings.model_validate(
    {"data_dir": "d", "task": "recommendation", "user_column": "who", "item_column": "what", "time_column": "at"}
)
SCHEMA = Schema(
    (Column("who", "category"), Column("what", "category"), Column("at", "datetime")), "recommendation", "what", "at"
)
TABLE = log()
NOW_S = 1_701_800_000.0


def version(name: str = "v0001-aaaaaaaa", unit_ms: float = DAY_MS) -> ServedRecommender:
    """Trained on the log."""
    events = interactions(TABLE)
    trained = Trained(unit_ms, 2, EaseSettings(), FIRST)
    names, table = own_part(fit(count(events, trained.half_lives_ms)), events.items)
    loaded = LoadedRecommender(name, Path(), SCHEMA, {}, {}, names, table, trained)
    return ServedRecommender(Deployment.of(1, "m", {name: 1.0}), 1, loaded, FIRST)


class World:
    """A ledger, a spool, and a model's counters that follow them."""

    def __init__(self, folder: Path) -> None:
        self.paths = ModelPaths(folder, "m")
        for path in self.paths.lasting:
            path.mkdir(parents=True, exist_ok=True)
        self.ledger: Ledger = new_ledger(folder)
        with self.ledger.begin() as conn:
            models.ensure(conn, "m")
        self.spool = Spool(self.paths.spool)
        self.served = version()
        self.versions = [self.served]
        self.live = self.server()

    def server(self) -> LiveModel:
        """The counters of a server that begins now."""
        return LiveModel("m", SETTINGS, self.paths, lambda: self.versions, lambda: NOW_S)

    def describe(self) -> None:
        """What control writes down of the ledger."""
        with self.ledger.connect() as conn:
            describe_counted(StatePaths(self.paths.state), "m", counted_now(conn, "m", "items.csv"))

    def accept(self, path: str, events: Interactions, state: str = "accepted") -> None:
        """A file of rows was taken in."""
        rows = {"who": events.users[events.user].tolist(), "what": events.items[events.item].tolist()}
        times = pa.array(events.time_ms, pa.timestamp("ms"))
        snapshot = self.paths.snapshots / f"{path}.parquet"
        pq.write_table(pa.table({**rows, "at": times}), snapshot)
        self.record(path, snapshot, "rows", len(events))

    def record(self, path: str, snapshot: Path, kind: str, rows: int) -> None:
        """The ledger has a file."""
        entry: dict[str, Any] = dict.fromkeys(("rejected", "labelled_rows"), 0) | {
            "kind": kind,
            "rows": rows,
            "class_rows": {},
            "quarantine": None,
            "quality": {},
            "rejects": [],
        }
        entry |= {"snapshot": str(snapshot.relative_to(self.paths.state)), "first_time": None, "last_time": None}
        with self.ledger.begin() as conn:
            files.record_accepted(conn, "m", path, Look(1, 1, 1, 1), path, entry, NOW_S)

    def list_items(self, path: str, names: list[str]) -> None:
        """A file of items was taken in."""
        snapshot = self.paths.snapshots / f"{path}.parquet"
        write_catalogue(snapshot, Catalogue(np.array(sorted(names), object), np.ones(len(names), bool), {}))
        self.record(path, snapshot, "items", len(names))

    def post(self, *events: PostedEvent, close: bool = False) -> None:
        """Events came to some server."""
        self.spool.append_lines([line_of(event) for event in events])
        if close:
            self.spool.close_old(at_once=True)

    def follow(self) -> Counters:
        """The counters after a look and a turn, of what the ledger has now."""
        self.describe()
        return self.counters()

    def counters(self) -> Counters:
        """The same of what was described last."""

        async def turn() -> None:
            if self.live.counted is None:
                await self.live.serve(self.served)
            await self.live.look()
            await self.live.add()

        asyncio.run(turn())
        assert self.live.counted is not None
        counted = self.live.counted
        return counted.counters if isinstance(counted, Counted) else compacted(counted.followed)


@pytest.fixture(params=["merged", "followed"])
def world(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    """With one file; its log is a small one, or one that is large enough to be followed."""
    if request.param == "followed":
        monkeypatch.setattr(following, "SMALL", 100)
    made = World(tmp_path)
    made.accept("first", part(0, 700))
    return made


def part(begin: int, end: int) -> Interactions:
    """Some rows of the log."""
    return interactions(TABLE.slice(begin, end - begin))


def posted(begin: int, end: int) -> list[PostedEvent]:
    """The same as they are posted."""
    rows = TABLE.slice(begin, end - begin).to_pylist()
    return [PostedEvent(row["who"], row["what"], row["at"] * 1000) for row in rows]


def assert_counts(found: Counters, *parts: Interactions) -> None:
    """Bit for bit what a rebuild of all events gives."""
    events = parts[0]
    for one in parts[1:]:
        events = joined(events, one)
    lives = tuple(None if one is None else one * float(DAY_MS) for one in HALF_LIVES)
    expected = count(events, lives, Trained(1.0, 2, EaseSettings(), FIRST).longest)
    assert found.interactions.users.tolist() == expected.interactions.users.tolist()
    for name in ("user", "item", "time_ms", "weight"):
        assert getattr(found.interactions, name).tobytes() == getattr(expected.interactions, name).tobytes()
    for one, other in zip(found.popularity, expected.popularity, strict=True):
        assert one.half_life_ms == other.half_life_ms and one.users.tolist() == other.users.tolist()
        assert one.tick.tolist() == other.tick.tolist() and one.item.tolist() == other.item.tolist()
    for name in ("transitions", "together"):
        assert (getattr(found, name) != getattr(expected, name)).nnz == 0
    assert found.support.tolist() == expected.support.tolist()


def test_what_is_posted_counts_and_again_when_it_is_a_file_nothing_changes(world: World) -> None:
    """In an open segment, a closed one, one that is set apart, and at last in a file of the ledger."""
    assert_counts(world.follow(), part(0, 700))
    world.post(*posted(700, 800))
    assert_counts(world.follow(), part(0, 800))
    world.post(*posted(800, 850), close=True)
    set_apart(world.paths.spool, finished_segments(world.paths.spool))
    assert_counts(world.follow(), part(0, 850))
    world.accept("events/1".replace("/", "-"), part(700, 850))
    durable.remove(taking_folders(world.paths.spool)[0], "test")
    assert_counts(world.follow(), part(0, 850))


def test_a_server_that_begins_now_counts_the_same(world: World) -> None:
    """Files and spool together, in one turn."""
    world.follow()
    world.accept("second", part(650, 900))
    world.post(*posted(880, 1000))
    followed = world.follow()
    world.live = world.server()
    assert_counts(followed, part(0, 1000))
    assert_counts(world.follow(), part(0, 1000))


def test_a_server_that_begins_counts_what_is_described(world: World) -> None:
    """With what was posted, also where the ledger went on; what is removed meanwhile is passed over; and all of the
    ledger's files count once they are described."""
    world.list_items("items.csv", ["i00"])
    world.accept("second", part(650, 800))
    world.accept("third", part(800, 820))
    world.describe()
    world.accept("fourth", part(820, 900))
    (world.paths.snapshots / "third.parquet").unlink()
    world.post(*posted(900, 950))
    assert_counts(world.counters(), part(0, 800), part(900, 950))
    world.post(*posted(950, 1000))
    assert_counts(world.counters(), part(0, 800), part(900, 1000))
    assert world.live.catalogue is not None
    with world.ledger.begin() as conn:
        files.forget(conn, "m", "third")
    assert_counts(world.follow(), part(0, 800), part(820, 1000))


def test_a_file_that_is_gone_counts_until_the_description_says_so(world: World) -> None:
    """As one that is written anew without somebody: no event of others vanishes in between."""
    world.accept("second", part(700, 900))
    world.follow()
    (world.paths.snapshots / "second.parquet").unlink()
    StatePaths(world.paths.state).counted("m").touch()
    world.post(*posted(900, 950))
    assert_counts(world.counters(), part(0, 950))
    with world.ledger.begin() as conn:
        files.forget(conn, "m", "second")
    assert_counts(world.follow(), part(0, 700), part(900, 950))


def test_where_nothing_was_described_it_is_tried_again(world: World) -> None:
    """A server has nothing to count by before control looked, and the next attempt counts all."""
    with pytest.raises(FileNotFoundError, match="not described yet"):
        world.counters()
    assert_counts(world.follow(), part(0, 700))


def test_a_file_that_is_held_counts_no_more(world: World) -> None:
    """All is counted anew without it, and with it again when it is released."""
    world.accept("second", part(700, 900))
    assert_counts(world.follow(), part(0, 900))
    with world.ledger.begin() as conn:
        files.hold(conn, "m", "second", "by hand")
    assert_counts(world.follow(), part(0, 700))
    with world.ledger.begin() as conn:
        files.release(conn, "m", "second")
    assert_counts(world.follow(), part(0, 900))


def test_a_file_of_items_that_is_forgotten_limits_nothing_any_more(world: World) -> None:
    """At once, as it would after a restart; the counters are the same."""
    world.list_items("items.csv", ["i00"])
    world.follow()
    assert world.live.catalogue is not None and world.live.catalogue.items.tolist() == ["i00"]
    with world.ledger.begin() as conn:
        files.forget(conn, "m", "items.csv")
    assert_counts(world.follow(), part(0, 700))
    assert world.live.catalogue is None


def test_ones_own_answer_follows_before_the_counters_do(world: World) -> None:
    """After a look a new person has a history; everybody's popularity waits for the next turn."""
    world.follow()
    world.post(PostedEvent("new", "i07", round(NOW_S * 1e3)))
    asyncio.run(world.live.look())
    assert world.served.moment is not None
    asking = Asking(world.served.moment, Asked(("new", "other"), k=3), Seen(True), round(NOW_S * 1e3))
    own, other = asking.all(world.live.own).lists
    assert own.source == "personal" and "i07" not in own.items and other.source == "popularity"
    assert not len(world.served.moment.events_of("new")[0])
    asyncio.run(world.live.add())
    again = replace(asking, moment=world.served.moment).all(world.live.own).lists[0]
    assert again.source == "personal" and not world.live.own and len(world.served.moment.events_of("new")[0])


def test_a_version_with_another_unit_has_its_own_half_lives(world: World) -> None:
    """A challenger beside the champion: each answers as if the counters were its own."""
    world.follow()
    other = version("v0002-bbbbbbbb", 3.0 * DAY_MS)
    world.versions.append(other)
    asyncio.run(world.live.serve(other))
    counted = count(part(0, 700), other.half_lives_ms)
    assert other.moment is not None
    alone = other.at(Counted(counted, live_tables(counted)), round(NOW_S * 1e3), None)
    assert other.moment.base.cold.tobytes() == alone.base.cold.tobytes()
    assert world.served.moment is not None
    assert world.served.moment.base.cold.tobytes() != alone.base.cold.tobytes()


def test_two_lookers_see_the_same(world: World) -> None:
    """Two processes: bit for bit."""
    second = world.server()
    one = world.follow()
    world.post(*posted(700, 760))
    one = world.follow()
    world.live = second
    assert_counts(world.follow(), part(0, 760))
    assert_counts(one, part(0, 760))


@pytest.mark.parametrize("strategy", ["shadow", "canary"])
def test_a_challenger_answers_beside_the_champion(world: World, strategy: str) -> None:
    """On trial it answers its share, or unseen; counted is what only one of the two has in a list."""
    world.follow()
    challenger = version("v0002-bbbbbbbb")
    world.versions.append(challenger)
    asyncio.run(world.live.serve(challenger))
    trial = RunningTrial(Trial(1, 1, challenger.deployment, strategy, 1.0, NOW_S, NOW_S, NOW_S, 10, 0), challenger)

    def lists_of(one: ServedRecommender) -> Lists:
        assert one.moment is not None
        return Asking(one.moment, Asked(("u001", "u002"), k=5), Seen(True), round(NOW_S * 1e3)).all({})

    async def soon(one: ServedRecommender) -> Lists:
        return lists_of(one)

    by, lists = asyncio.run(trial.answer(world.served, ("u001", "u002"), soon, lists_of))
    trial._thread.shutdown(wait=True)
    counts = trial.take()
    assert by is (challenger if strategy == "canary" else world.served) and len(lists) == 2
    assert (counts.rows, counts.compared, counts.differed, counts.failures) == (2, 2, 0.0, 0)


def test_lists_differ_by_what_only_one_of_them_has() -> None:
    """The sum of shares; the order does not count, and two empty lists are alike."""
    one, other, empty = (One("u", list(items), [], [], "personal") for items in ("abcd", "bacx", ""))
    assert Lists((one, empty), 0).difference(Lists((other, empty), 0)) == 0.25
