"""Users of a model that recommends are forgotten: no event of theirs stays in the state folder or in the counters."""

import asyncio
import json
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bare_model import AnalystHere, bare_model
from event_files import cycle as made_cycle
from event_logs import log
from forgetting import ask, assert_told_as_it_is, forgotten_over_a_kill, left, work_off

from daemon.cycles.stages import restart_stage
from daemon.intake.events import REFUSED, EventIntake, set_apart
from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.ledger import cycles, forgotten, versions
from daemon.reading.look import look
from daemon.runtime.context import ModelContext
from daemon.runtime.counted import accepted_files, described_counted
from daemon.runtime.describing import counted
from daemon.runtime.spool import Spool, finished_segments
from daemon.server.recommendation.source import Source
from retrain import durable
from retrain.monitoring.event_past import Remembered, past_of
from retrain.recommendation.posted import PostedEvent, line_of
from retrain.recommendation.reference import hashed, known_users
from retrain.records.cycle import CycleState, Stage
from retrain.records.errors import Refused
from retrain.records.schema import Schema, event_schema
from retrain.records.trigger import Trigger
from retrain.store.versions import check_whole

CONFIG = """\
[service]
state_dir = "state"
[service.log]
file = "driftd.log"
[models.m]
data_dir = "data"
task = "recommendation"
user_column = "who"
item_column = "what"
time_column = "at"
[models.m.intake]
max_reject_share = 0.9
"""
MORE = ["shopper 'q\" 0042", "shopper-00007-é", "0017", "17", "shopper-0000"]
"""Odd ones, some of them the beginning or the end of others."""


class Events:
    """A model with files and posted events, a published version and an open cycle, of some users, drawn at random."""

    def __init__(self, context: ModelContext, seed: int) -> None:
        self.context, self.rng, self.seed = context, random.Random(seed), seed
        table = log(600, 40, 30, seed)
        self.users = [*(f"shopper-{number:05d}" for number in range(35)), *MORE]
        called = dict(zip(sorted(set(table["who"].to_pylist())), self.users, strict=False))
        rows = zip(table["who"].to_pylist(), table["what"].to_pylist(), table["at"].to_pylist(), strict=True)
        self.lines = [{"who": called[who], "what": what, "at": at} for who, what, at in rows]

    async def fill(self) -> None:
        """So that each kind of file is there with events of most users."""
        parts = self.rng.randint(2, 4)
        for number in range(parts):
            text = "".join(json.dumps(line) + "\n" for line in self.lines[number::parts])
            bad = {"who": self.rng.choice(self.users), "what": "i1", "at": "never"}
            await self.drop(f"day{number}.jsonl", text + json.dumps(bad) + "\n")
        self.version()
        for place in range(self.rng.randint(1, 3)):
            self.post(place)
            if self.rng.random() < 0.5:
                set_apart(self.context.folders.spool, finished_segments(self.context.folders.spool))
        refused = self.context.folders.spool / f"{REFUSED}1-1-1"
        refused.mkdir()
        row = {"who": self.rng.choice(self.users), "what": "i01", "at": "x"}
        (refused / "events.jsonl").write_text(json.dumps(row) + "\n")
        (refused / "1-1-1.jsonl").write_bytes(line_of(self.event(0)) + b"\n")

    async def drop(self, name: str, text: str) -> Taken:
        path = self.context.data_dir / name
        path.write_text(text)
        return await take_file(self.context, Taking(name, look(path)))  # type: ignore[arg-type]

    def event(self, place: int) -> PostedEvent:
        return PostedEvent(self.rng.choice(self.users), f"i{place:02d}", round(time.time() * 1e3) - 1000 * place)

    def post(self, place: int) -> None:
        """Events as a server writes them."""
        spool = Spool(self.context.folders.spool)
        spool.append_lines([line_of(self.event(10 * place + one)) for one in range(8)])
        spool.close_old(at_once=True)

    def version(self) -> None:
        """A version that was made of the files, and the same again in an open cycle, at some stage of it."""
        context, state = self.context, self.context.folders.state
        with context.shared.ledger.connect() as conn:
            accepted = tuple(accepted_files(state, counted(conn, "m", None).files))
        made = state.parent / "made"
        _, _, stored = made_cycle(made, accepted, window={"holdout_min_rows": 10})
        assert stored is not None
        published = context.folders.version(stored.newest)
        stored.path(stored.newest).rename(published)
        with context.shared.ledger.begin() as conn:
            first = cycles.open_cycle(conn, "m", Trigger("manual", "by a test", {}), 1, 10**6, time.time())
            versions.record(conn, "m", first, {"version": published.name, "digest": published.name[6:]}, time.time())
            cycles.save(conn, replace(first, state=CycleState.PROMOTED), time.time())
            opened = cycles.open_cycle(conn, "m", Trigger("manual", "by a test", {}), 2, 10**6, time.time())
            stage = self.rng.choice([Stage.PREPARE, Stage.TRAIN, Stage.EVALUATE, Stage.PROMOTE])
            cycles.save(conn, replace(opened, stage=stage), time.time())
        work = context.folders.cycle(opened.id)
        work.parent.mkdir(parents=True, exist_ok=True)
        (made / "work-1").rename(work)
        shutil.copytree(published, work / "version")
        (work / "version" / "manifest.json").unlink()


@contextmanager
def filled(folder: Path, seed: int) -> Iterator[Events]:
    with bare_model(folder, CONFIG, AnalystHere) as context:
        state = Events(context, seed)
        asyncio.run(state.fill())
        yield state
        context.shared.ledger.close()


def schema_of(context: ModelContext) -> Schema:
    return event_schema(context.settings)


def source_of(context: ModelContext) -> Source:
    """What a server counts by."""
    context.shared.describing.count("m")
    return Source("m", context.settings, context.folders)


def names_counted(context: ModelContext) -> set[str]:
    """The users of the counters of a server that starts now."""
    events, _ = source_of(context).everything(schema_of(context))
    return {str(name) for name in events.users[events.user]}


def converges(folder: Path, seed: int) -> None:
    """Some users are forgotten in a random state, with a kill in the middle; whatever it hit, the next start ends with
    nothing of theirs, with all events of the others, and with whole versions that know the others."""
    with filled(folder, seed) as state:
        context, rng = state.context, random.Random(seed + 1)
        chosen = rng.sample(state.users, rng.randint(1, 6))
        before = names_counted(context)
        assert left(context, chosen)
        context = forgotten_over_a_kill(context, chosen, rng.randint(1, 150))
        assert left(context, chosen) == []
        assert names_counted(context) == before - set(chosen)
        assert_told_as_it_is(context)
        for version in context.folders.versions.glob("v*"):
            check_whole(version)
            users = known_users(version / "reference" / "users.npz")
            assert len(users) and not set(hashed(np.array(chosen, dtype=object)).tolist()) & set(users.tolist())
        context.shared.ledger.close()


@pytest.mark.parametrize("seed", range(3))
def test_nothing_of_a_user_is_left_after_a_kill_anywhere(tmp_path: Path, seed: int) -> None:
    """No event, rejected row, posted line, prepared log or hash of who was known says that they were there."""
    converges(tmp_path, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_a_hundred_random_states_of_a_recommender(tmp_path: Path, seed: int) -> None:
    """The same, a hundred times."""
    converges(tmp_path, seed)


def test_a_server_counts_anew_without_them(tmp_path: Path) -> None:
    """The counters of a server that runs on are made anew when somebody is forgotten, and do not follow what that user
    posts from then on; a file of it has none of their events either."""
    with filled(tmp_path, 50) as state:
        context, who, other = state.context, state.users[0], state.users[1]
        source, schema = source_of(context), event_schema(context.settings)
        source.everything(schema)
        assert source.news(schema).gone is False
        ask(context.shared.ledger, [who])
        asyncio.run(work_off(context))
        context.shared.describing.count("m")
        assert source.news(schema).gone is True
        source = source_of(context)
        events, _ = source.everything(schema)
        assert who not in events.users
        posted = [PostedEvent(one, "i01", 1_700_000_000_000) for one in (who, other)]
        spool = Spool(context.folders.spool)
        spool.append_lines([line_of(event) for event in posted])
        spool.close_old(at_once=True)
        assert [event.user for event in source.news(schema).posted] == [other]
        asyncio.run(EventIntake(context, lambda _: True).roll())
        assert left(context, [who]) == []


def test_a_file_of_posted_events_is_described_before_their_segments_go(tmp_path: Path) -> None:
    """A server that begins at any moment meets each event, in a spool or in a described file."""
    with filled(tmp_path, 54) as state:
        context, seen = state.context, list[bool]()
        before = names_counted(context)

        def look(point: str) -> None:
            if point == "events.remove_taken.before_remove":
                events, _ = Source("m", context.settings, context.folders).everything(schema_of(context))
                described = described_counted(context.shared.config.paths, "m")
                assert described is not None
                with context.shared.ledger.connect() as conn:
                    seen.append(described == counted(conn, "m", None))
                assert {str(name) for name in events.users[events.user]} == before

        durable.install_hook(look)
        try:
            asyncio.run(EventIntake(context, lambda _: True).roll())
        finally:
            durable.install_hook(None)
        assert seen and all(seen)


def test_versions_that_learned_from_them_are_named(tmp_path: Path) -> None:
    """As of any model: what a published version learned stays, and the answer says of which and what a retrain does;
    the open cycle begins anew."""
    with filled(tmp_path, 51) as state:
        context = state.context
        (version,) = (path.name for path in context.folders.versions.glob("v*"))
        ask(context.shared.ledger, [state.users[2]])
        answer = asyncio.run(work_off(context))
        assert f"may have learned from their rows: {version}; `driftd retrain m`" in answer
        assert "is a feature" not in answer
        with context.shared.ledger.begin() as conn:
            cycle = cycles.current(conn, "m")
            assert cycle is not None
            is_published_next = cycle.stage is Stage.PROMOTE
            assert restart_stage(context, conn, cycle).stage is (Stage.PROMOTE if is_published_next else Stage.PREPARE)


def test_users_are_told_by_no_other_column(tmp_path: Path) -> None:
    """`--column` of an item would take other people's events."""
    with filled(tmp_path, 52) as state:
        context, before = state.context, len(list(state.context.folders.snapshots.iterdir()))
        ask(context.shared.ledger, ["i01"], column="what")
        with pytest.raises(Refused, match="forgets its users, not by 'what'"):
            asyncio.run(work_off(context))
        assert len(list(context.folders.snapshots.iterdir())) == before
        with context.shared.ledger.connect() as conn:
            assert forgotten.marks_of(conn, "m") == {}


def test_assessments_remember_no_rows_that_went(tmp_path: Path) -> None:
    """What an analyst keeps of a log is read anew when a snapshot of it was rewritten."""
    with filled(tmp_path, 53) as state:
        context, who, kept = state.context, state.users[3], Remembered()

        def users() -> set[str]:
            with context.shared.ledger.connect() as conn:
                accepted = accepted_files(context.folders.state, counted(conn, "m", None).files)
            schema = event_schema(context.settings)
            past = past_of(context.folders.versions, accepted, schema, context.settings, (None,), kept)
            before = past.before(10**6).interactions
            return {str(name) for name in before.users[before.user]}

        assert who in users()
        ask(context.shared.ledger, [who])
        asyncio.run(work_off(context))
        assert who not in users()
