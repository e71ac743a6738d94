"""People are forgotten: their rows leave the whole state folder, whatever was killed on the way."""

import asyncio
import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bare_model import AnalystHere, bare_model
from forgetting import ask, assert_told_as_it_is, forgotten_over_a_kill, left, reopened, work_off
from sqlalchemy.exc import OperationalError

from daemon.config.paths import ROWS
from daemon.intake.prediction_log import convert_segments
from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.ledger import Ledger, cycles, due, events, files, forgotten, versions
from daemon.reading.look import look
from daemon.runtime.context import ModelContext
from daemon.tools.forgotten import key_told, marks_told
from retrain import durable
from retrain.records.cycle import CycleState, Stage
from retrain.records.errors import Refused
from retrain.records.trigger import Trigger

PEOPLE = [f"customer-{n:06d}-é" if n % 5 == 0 else f"customer-{n:06d}" for n in range(12)]
CONFIG = """\
[service]
state_dir = "state"
[service.log]
file = "driftd.log"
[models.m]
data_dir = "data"
task = "classification"
target = "y"
id_column = "{column}"
[models.m.intake]
max_reject_share = 0.9
[models.m.columns]
{column} = "{kind}"
x = "number"
y = "category"
"""


class State:
    """A model with files, labels, answered rows, rejects and events of some people, drawn at random."""

    def __init__(self, context: ModelContext, seed: int, ids: list[Any]) -> None:
        self.context, self.rng, self.ids = context, random.Random(seed), ids
        self.named: dict[str, Path] = {}

    def someone(self) -> Any:
        return self.rng.choice(self.ids)

    async def fill(self) -> None:
        """So that each kind of file is there with rows of most people."""
        for n in range(self.rng.randint(2, 4)):
            await self.drop(f"rows{n}.csv", self.rows_text(self.rng.randint(20, 60)))
        labels = "\n".join([f"{self.key},y", *(f"{self.someone()},{self.rng.choice('ab')}" for _ in range(10))])
        await self.drop("labels.csv", labels + "\n")
        self.predicted()
        self.adopting()
        self.versions()
        self.segment(self.context.folders.log_spool, self.logged)
        if self.rng.random() < 0.7:
            await convert_segments(self.context)
        self.segment(self.context.folders.log_spool, self.logged)
        self.segment(self.context.folders.spool, lambda: {self.key: self.someone(), "y": "a"})
        self.backups()
        with self.ledger.begin() as conn:
            said = {"first": {"column": self.key, "reason": f"{str(self.someone())!r} is odd"}}
            told = {"at": time.time(), "event": "rows_quarantined", "level": "warning", "model": "m", "fields": said}
            events.append(conn, [told])
        log = self.context.shared.config.log_file
        assert log is not None
        log.write_text("".join(json.dumps({"event": "x", "raw": str(self.someone())}) + "\n" for _ in range(20)))

    @property
    def key(self) -> str:
        return str(self.context.settings.id_column)

    @property
    def ledger(self) -> Ledger:
        return self.context.shared.ledger

    def rows_text(self, count: int) -> str:
        lines = [f"{self.key},x,y"]
        for _ in range(count):
            bad = self.rng.random() < 0.15
            lines.append(f"{self.someone()},{'wrong' if bad else self.rng.random()},{self.rng.choice('ab')}")
        return "\n".join([*lines, f"{self.someone()},1.5,a,too,many", f"{self.neighbour()},0.5,a"]) + "\n"

    def neighbour(self) -> Any:
        """Somebody whose id begins as another's."""
        last = self.ids[-1]
        return last * 10 if isinstance(last, int) else f"{last[:-1]}9"

    async def drop(self, name: str, text: str) -> Taken:
        path = self.context.data_dir / name
        path.write_text(text)
        return await take_file(self.context, Taking(name, look(path)))  # type: ignore[arg-type]

    def predicted(self) -> None:
        """What a champion said of the snapshots' rows."""
        for path in self.context.folders.snapshots.glob("*.parquet"):
            names = pq.read_schema(path).names
            if "__row" in names and "x" in names:
                rows = pq.read_table(path, columns=["__row"])
                table = rows.append_column("prediction", pa.array(["a"] * rows.num_rows))
                pq.write_table(table, self.context.folders.predictions / f"{path.stem}.d1.parquet")

    def adopting(self) -> None:
        """Rows that came with a pipeline which waits."""
        folder = self.context.folders.adopted("f")
        folder.mkdir(parents=True)
        table = pa.table({self.key: [self.someone() for _ in range(30)], "x": [1.0] * 30, "y": ["a", "b"] * 15})
        pq.write_table(table, folder / ROWS)
        with self.ledger.begin() as conn:
            due.add(conn, "m", "adopt", time.time(), {"file": "model.skops", "folder": "f", "rows": 30})

    def versions(self) -> None:
        """A published version, with rows of features, and a cycle that prepared rows, at some stage of it."""
        folders, rows = self.context.folders, pa.table({"x": [1.0, 2.0], "y": ["a", "b"]})
        version = folders.version("v0001-aaaaaaaa")
        (version / "reference").mkdir(parents=True)
        for name in ("sample", "unseen"):
            pq.write_table(rows, version / "reference" / f"{name}.parquet")
        (version / "manifest.json").write_text("{}")
        digests = [row.sha256 for row in self.files()]
        (version / "training.json").write_text(json.dumps({"model": "m", "snapshots": digests}))
        with self.ledger.begin() as conn:
            done = cycles.open_cycle(conn, "m", Trigger("manual", "by a test", {}), 1, 10**6, time.time())
            versions.record(conn, "m", done, {"version": version.name, "digest": "aaaaaaaa"}, time.time())
            cycles.save(conn, replace(done, state=CycleState.PROMOTED), time.time())
            opened = cycles.open_cycle(conn, "m", Trigger("manual", "by a test", {}), 2, 10**6, time.time())
            cycles.save(conn, replace(opened, stage=self.rng.choice(list(Stage))), time.time())
        work = folders.cycle(opened.id)
        (work / "version" / "reference").mkdir(parents=True)
        theirs = pa.table({self.key: [self.someone() for _ in range(20)], "x": [1.0] * 20})
        pq.write_table(theirs, work / "train.parquet")
        pq.write_table(rows, work / "version" / "reference" / "sample.parquet")

    def files(self) -> list[Any]:
        with self.ledger.connect() as conn:
            return list(files.listed(conn, "m"))

    def backups(self) -> None:
        """What a backup held that was killed."""
        held = self.context.shared.config.paths.held / "999999999" / "spool" / "m"
        held.mkdir(parents=True)
        for segment in self.context.folders.spool.glob("*.jsonl"):
            durable.hold(segment, held / segment.name)

    def logged(self) -> dict[str, Any]:
        return {
            "version": "v1", "role": "answer", "columns": ["x"], "classes": ["a", "b"], "at": [time.time()] * 3,
            "ids": [str(self.someone()) for _ in range(3)], "rows": [[1.0]] * 3, "values": ["a"] * 3,
            "probabilities": None,
        }  # fmt: skip

    def segment(self, folder: Path, line: Callable[[], dict[str, Any]]) -> None:
        lines = [json.dumps(line()) for _ in range(4)]
        (folder / f"{time.time_ns()}-1-1.jsonl").write_text("\n".join(lines) + "\n")


@contextmanager
def filled(folder: Path, seed: int, column: str = "who", kind: str = "category") -> Iterator[State]:
    ids = PEOPLE if kind == "category" else list(range(1000, 1012))
    with bare_model(folder, CONFIG.format(column=column, kind=kind), AnalystHere) as context:
        state = State(context, seed, ids)
        asyncio.run(state.fill())
        yield state


def others(context: ModelContext, ids: list[str]) -> int:
    """Rows of all others in the snapshots."""
    key, total = str(context.settings.id_column), 0
    for path in context.folders.snapshots.glob("*.parquet"):
        total += sum(str(one) not in ids for one in pq.read_table(path, columns=[key]).column(0).to_pylist())
    return total


def converges(folder: Path, seed: int, kind: str = "category") -> None:
    """Some people are forgotten in a random state, with a kill in the middle; whatever it hit, the next start ends with
    nothing of theirs, with all rows of the others, and with a ledger that says what the files hold."""
    with filled(folder, seed, kind=kind) as state:
        context, rng = state.context, random.Random(seed + 1)
        chosen = [str(one) for one in rng.sample(state.ids, rng.randint(1, 4))]
        assert left(context, chosen)
        kept = others(context, chosen)
        context = forgotten_over_a_kill(context, chosen, rng.randint(1, 120))
        assert left(context, chosen) == []
        assert others(context, chosen) >= kept
        assert_told_as_it_is(context)
        for name in ("sample", "unseen"):
            assert (context.folders.version("v0001-aaaaaaaa") / "reference" / f"{name}.parquet").exists()
        context.shared.ledger.close()


@pytest.mark.parametrize("seed", range(4))
def test_nothing_of_them_is_left_after_a_kill_anywhere(tmp_path: Path, seed: int) -> None:
    """Long ids are nowhere, in no byte of what the state folder holds, unpacked."""
    converges(tmp_path, seed)


def test_whole_numbers_are_forgotten_by_their_column(tmp_path: Path) -> None:
    """Short ids are gone from the columns that say who it is."""
    converges(tmp_path, 5, kind="integer")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_a_hundred_random_states(tmp_path: Path, seed: int) -> None:
    """The same, a hundred times."""
    converges(tmp_path, seed, kind="integer" if seed % 4 == 0 else "category")


def test_their_rows_are_left_out_when_they_come_again(tmp_path: Path) -> None:
    """A file of the user's that has them is told, and read again without them; one that has nobody else is dealt with."""
    with filled(tmp_path, 7) as state:
        context, who = state.context, PEOPLE[3]
        ask(context.shared.ledger, [who])
        answer = asyncio.run(work_off(context))
        assert str(context.data_dir / "rows0.csv") in answer
        again = f"who,x,y\n{who},1.0,a\n{PEOPLE[4]},2.0,b\n{who},bad,a\n"
        assert asyncio.run(state.drop("again.csv", again)) is Taken.ACCEPTED
        assert asyncio.run(state.drop("alone.csv", f"who,x,y\n{who},1.0,a\n")) is Taken.ACCEPTED
        with context.shared.ledger.connect() as conn:
            rows = {row.path: row for row in files.listed(conn, "m")}
        assert (rows["again.csv"].rows, rows["again.csv"].rejected, rows["again.csv"].quality["forgotten"]) == (1, 0, 2)
        assert rows["alone.csv"].state == "forgotten"
        state.ids = [who]
        state.segment(context.folders.log_spool, state.logged)
        asyncio.run(convert_segments(context))
        assert left(context, [who]) == []


def test_the_ledger_keeps_a_keyed_hash_and_what_was_rewritten(tmp_path: Path) -> None:
    """Who it was stands nowhere; files have other names, and the ledger says which and how many rows went."""
    with filled(tmp_path, 8) as state:
        context, who = state.context, PEOPLE[2]
        before = {path.name for path in context.folders.snapshots.iterdir()}
        ask(context.shared.ledger, [who])
        asyncio.run(work_off(context))
        with context.shared.ledger.connect() as conn:
            (told,) = forgotten.listed(conn, "m")
            marks = forgotten.marks_of(conn, "m")
        names = {path.name for path in context.folders.snapshots.iterdir()}
        assert told.finished_at is not None
        assert told.found["files"]
        for one in told.found["files"]:
            assert f"{one['before']}.parquet" in before - names
            assert one["after"] is None or f"{one['after']}.parquet" in names - before
        assert len(marks["who"]) == 1
        assert context.shared.config.paths.forget_key.stat().st_mode & 0o077 == 0


def test_no_old_page_of_the_ledger_holds_them(tmp_path: Path) -> None:
    """Not even a row that was deleted long before: the file is written anew and its -wal is empty."""
    with filled(tmp_path, 9) as state:
        context, who = state.context, PEOPLE[1]
        with closing(sqlite3.connect(context.shared.config.paths.ledger)) as raw:
            raw.execute("INSERT INTO events (at, event, level, fields) VALUES (0, 'x', 'info', ?)", (f'"{who}"',))
            raw.commit()
            raw.execute("DELETE FROM events WHERE at = 0")
            raw.commit()
        ask(context.shared.ledger, [who])
        asyncio.run(work_off(context))
        for path in context.folders.state.glob("ledger.sqlite*"):
            assert who.encode() not in path.read_bytes()


def test_what_is_refused_says_no_more_who_it_was(tmp_path: Path) -> None:
    """A column that the model does not keep: nothing changes, and the ids are erased from the command all the same."""
    with filled(tmp_path, 10) as state:
        context, stranger = state.context, "customer-that-nobody-knows"
        ask(context.shared.ledger, [stranger], column="nothing")
        with pytest.raises(Refused, match="keeps no column 'nothing'"):
            asyncio.run(work_off(context))
        assert left(context, [stranger]) == []
        with context.shared.ledger.connect() as conn:
            assert forgotten.marks_of(conn, "m") == {}


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    """What cannot be read may hold them: the others are rewritten, and the answer names it."""
    with filled(tmp_path, 11) as state:
        context = state.context
        broken = context.folders.snapshots / "0000.parquet"
        broken.write_bytes(b"PAR1 nothing PAR1")
        ask(context.shared.ledger, [PEOPLE[0]])
        assert "cannot be read, and may hold rows of theirs: snapshots/m/0000.parquet" in asyncio.run(work_off(context))
        broken.unlink()
        assert left(context, [PEOPLE[0]]) == []


def test_without_its_key_nothing_is_read(tmp_path: Path) -> None:
    """Rather than that somebody's rows come back, files wait until the key is there again."""
    with filled(tmp_path, 12) as state:
        context, key = state.context, state.context.shared.config.paths.forget_key
        ask(context.shared.ledger, [PEOPLE[0]])
        asyncio.run(work_off(context))
        kept = key.read_bytes()
        key.unlink()
        with context.shared.ledger.connect() as conn:
            (told,) = key_told(context.shared.config, conn)
        assert told[0] == "error" and "is lost" in told[1] and "from a backup" in told[2]
        assert [one[0] for one in marks_told(context.shared.config)] == ["error"]
        ask(context.shared.ledger, [PEOPLE[1]])
        with pytest.raises(Refused, match="is lost, by which people who are forgotten are known again"):
            asyncio.run(work_off(context))
        assert not key.exists()
        assert asyncio.run(state.drop("more.csv", f"who,x,y\n{PEOPLE[0]},1.0,a\n{PEOPLE[1]},1.0,a\n")) is Taken.LATER
        key.write_bytes(kept)
        assert asyncio.run(state.drop("more.csv", f"who,x,y\n{PEOPLE[0]},1.0,a\n{PEOPLE[1]},1.0,a\n")) is Taken.ACCEPTED
        assert left(context, [PEOPLE[0]]) == []


def test_pulled_rows_that_wait_are_rewritten(tmp_path: Path) -> None:
    """What was pulled of a database, and refused until somebody mends the configuration, holds them no more."""
    with filled(tmp_path, 13) as state:
        context, who = state.context, PEOPLE[0]
        folder = context.folders.pulled / "2026"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"who": [who, PEOPLE[1]], "x": [1.0, 2.0]}), folder / "rows.parquet")
        ask(context.shared.ledger, [who])
        asyncio.run(work_off(context))
        assert pq.read_table(folder / "rows.parquet").num_rows == 1
        assert left(context, [who]) == []


def test_others_keep_what_is_theirs(tmp_path: Path) -> None:
    """An id that is the beginning of another's takes nothing of that one: no row, no rejected row, no text."""
    with filled(tmp_path, 14) as state:
        context, who, other = state.context, PEOPLE[1], f"{PEOPLE[1]}-2"
        bad = f"who,x,y\n{other},1.0,a\n{other},wrong,a\n{who},wrong,a\n{other},2.0,b\n"
        assert asyncio.run(state.drop("prefix.csv", bad)) is Taken.ACCEPTED
        ask(context.shared.ledger, [who])
        asyncio.run(work_off(context))
        assert left(context, [who]) == []
        with context.shared.ledger.connect() as conn:
            (row,) = (row for row in files.listed(conn, "m") if row.path == "prefix.csv")
            (kept,) = files.rejects_of(conn, row.id)
        assert pq.read_table(context.folders.state / row.snapshot, columns=["who"]).column(0).to_pylist() == [other] * 2
        assert other in kept.raw


def test_texts_of_others_that_name_them_are_rewritten(tmp_path: Path) -> None:
    """A remark in somebody else's row: the row stays, and says nothing of who is forgotten."""
    with filled(tmp_path, 15) as state:
        context, who, other = state.context, PEOPLE[1], PEOPLE[2]
        path = context.folders.snapshots / "0123.parquet"
        pq.write_table(pa.table({"who": [other] * 3, "note": [f"friend of {who}", None, f"{who}9 came"]}), path)
        ask(context.shared.ledger, [who])
        asyncio.run(work_off(context))
        assert left(context, [who]) == []
        tables = [pq.read_table(one) for one in context.folders.snapshots.glob("*.parquet")]
        (table,) = (one for one in tables if "note" in one.column_names)
        assert table["note"].to_pylist() == ["friend of (forgotten)", None, f"{who}9 came"]


def test_ids_that_are_nowhere_are_counted(tmp_path: Path) -> None:
    """Written otherwise than in the files, or twice, or of nobody: the answer says how many found no row, and who is
    forgotten twice is forgotten."""
    with filled(tmp_path, 16) as state:
        context, who = state.context, PEOPLE[1]
        ask(context.shared.ledger, [who, f" {who}", who.upper()])
        assert "2 of the ids are in no row" in asyncio.run(work_off(context))
        ask(context.shared.ledger, [who])
        assert "1 id is in no row" in asyncio.run(work_off(context))
        assert left(context, [who]) == []
        with context.shared.ledger.connect() as conn:
            assert len(forgotten.marks_of(conn, "m")["who"]) == 3


def test_a_version_that_learned_a_text_is_named(tmp_path: Path) -> None:
    """What names somebody in a version's categories goes with the version, and the answer says so."""
    with filled(tmp_path, 17) as state:
        context, who = state.context, PEOPLE[1]
        version = context.folders.version("v0001-aaaaaaaa")
        (version / "preprocessor.json").write_text(json.dumps({"note": ["fine", f"friend of {who}"]}))
        ask(context.shared.ledger, [who])
        answer = asyncio.run(work_off(context))
        assert f"a text that these learned from names one of them: {version.name}" in answer


def test_a_refusal_is_told_when_the_ledger_is_free_again(tmp_path: Path) -> None:
    """Somebody reads the ledger for long: the ids are erased from it before the command ends, and its answer is why."""
    with filled(tmp_path, 18) as state:
        context, stranger = state.context, "customer-that-nobody-knows"
        ask(context.shared.ledger, [stranger], column="nothing")
        with closing(sqlite3.connect(context.shared.config.paths.ledger)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").fetchall()
            with pytest.raises(OperationalError):
                asyncio.run(work_off(context))
        context = reopened(context)
        with pytest.raises(Refused, match="keeps no column 'nothing'"):
            asyncio.run(work_off(context))
        assert left(context, [stranger]) == []
        context.shared.ledger.close()
