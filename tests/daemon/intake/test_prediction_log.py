"""The prediction log without a daemon: what is chosen, how it is bounded, and what a killed server leaves."""

import json
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import structlog
from helpers import PATIENCE_S
from learning import run
from ledgers import new_ledger

from daemon.ledger import models, prediction_log, retention, tables
from daemon.reading import answered_rows
from daemon.reading.digest import file_digest
from daemon.runtime.spool import Spool, finished_segments
from daemon.server import prediction_log as server_log
from daemon.server.exploration import Explored
from daemon.server.prediction_log import PredictionLog, feedback_note
from daemon.server.sticky import position
from retrain.labels.propensity import COLUMNS as COLUMNS_OF_ANSWERS
from retrain.records.errors import Refused
from retrain.records.predictions import Predictions
from retrain.records.schema import Column, Schema
from retrain.records.settings import ModelSettings, PredictionLogSettings

COLUMNS = (
    Column("id", "integer", nullable=False), Column("at", "integer"), Column("x", "number"), Column("n", "integer"),
    Column("b", "boolean"), Column("c", "category"), Column("t", "datetime"), Column("note", "text"),
    Column("label", "category"),
)  # fmt: skip
SCHEMA = Schema(COLUMNS, "classification", "label", "at", "id")
SETTINGS = ModelSettings(
    data_dir="d", task="classification", target="label", id_column="id", time_column="at",
    columns={c.name: c.kind for c in COLUMNS},
).model_dump(mode="json")  # fmt: skip
ROW = (1.5, 3, True, "red", "2026-01-02T03:04:05+01:00")


def said(rows: int) -> Predictions:
    """An answer: half a yes, half a no."""
    return Predictions(np.array(["yes"] * rows), np.tile([0.25, 0.75], (rows, 1)), ("no", "yes"))


def served(name: str = "v1") -> Any:
    """What the log needs of a served version."""
    return SimpleNamespace(name=name, schema=SCHEMA)


def a_log(folder: Path, **settings: Any) -> PredictionLog:
    """A log in a folder of its own."""
    return PredictionLog("m", folder, PredictionLogSettings(**settings))


def lines(folder: Path) -> list[dict[str, Any]]:
    """All that was handed over."""
    return [json.loads(line) for path in finished_segments(folder) for line in path.read_text().splitlines()]


def converted(folder: Path, work: Path) -> tuple[dict[str, Any], Any]:
    """The finished segments as the analyst converts them."""
    segments = [str(path) for path in finished_segments(folder)]
    result = run(answered_rows.convert, {"segments": segments, "schema": SCHEMA.to_json(), "work": str(work)})
    return result, None if result["path"] is None else pq.read_table(result["path"])


def test_the_share_is_chosen_by_id_alike_in_every_process(tmp_path):
    """Two servers keep the same ids, those that feedback names as kept."""
    ids = [f"r{i}" for i in range(2000)]
    kept = []
    for name in ("a", "b"):
        log = a_log(tmp_path / name, share=0.25)
        log.record(served(), [ROW] * 2000, ids, said(2000))
        log.close()
        kept.append([key for line in lines(tmp_path / name) for key in line["ids"]])
    assert kept[0] == kept[1] == [key for key in ids if position("log", key) < 0.25]
    assert log.not_kept(ids) == [key for key in ids if key not in set(kept[0])]
    assert 0.2 < len(kept[0]) / 2000 < 0.3


def test_rows_without_an_id_are_counted(tmp_path):
    """Exactly the share of them, in even steps; and all or none at the ends."""
    for share, expected in ((0.25, 250), (1.0, 1000), (0.0, 0)):
        folder = tmp_path / str(share)
        log = a_log(folder, share=share)
        for _ in range(100):
            log.record(served(), [ROW] * 10, [None] * 10, said(10))
        log.close()
        assert sum(len(line["rows"]) for line in lines(folder)) == expected


def test_the_answer_to_feedback_names_ids_that_are_not_kept(tmp_path):
    """At most twenty, with their count and what that means; nothing where all are kept."""
    off, on = a_log(tmp_path, share=0.0), a_log(tmp_path, share=1.0)
    ids = [f"r{i}" for i in range(30)]
    told = feedback_note(off.not_kept(ids))
    assert (told["not_kept"], told["not_kept_count"]) == (ids[:20], 30)
    assert "only a row of a dropped data file" in told["note"]
    assert feedback_note(on.not_kept(ids)) == {}


def test_memory_is_bounded_and_what_finds_no_room_is_counted_and_told_once(tmp_path, monkeypatch):
    """A request alone always finds room; those beyond the bound are dropped, and one line a minute tells how many."""
    monkeypatch.setattr(server_log, "MOST_BYTES", 6_400)
    log = a_log(tmp_path)
    with structlog.testing.capture_logs() as told:
        for _ in range(3):
            log.record(served(), [ROW] * 20, [None] * 20, said(20))
        log.flush()
        log.record(served(), [ROW] * 20, [None] * 20, said(20))
        log.record(served(), [ROW] * 20, [None] * 20, said(20))
        log.close()
    assert log.dropped == 60
    assert [(e["event"], e["rows"], e["model"]) for e in told] == [("predictions_dropped", 40, "m")]
    assert sum(len(line["rows"]) for line in lines(tmp_path)) == 40


def test_what_waits_to_be_written_is_bounded_in_bytes(tmp_path):
    """A few rows may be as long as their requests."""
    log = a_log(tmp_path)
    for _ in range(4):
        log.record(served(), [ROW], ["a"], said(1), size=server_log.MOST_BYTES // 3)
    assert log.dropped == 2
    log.close()


def test_a_row_with_a_text_that_is_no_category_is_not_kept(tmp_path):
    """Nobody declares a category of a megabyte; the other rows of the request are kept."""
    log = a_log(tmp_path)
    long = (*ROW[:3], "c" * 10**6, *ROW[4:])
    with structlog.testing.capture_logs() as told:
        log.record(served(), [ROW, long, ROW], ["a", "b", "c"], said(3), size=10**6)
        log.close()
    assert [line["ids"] for line in lines(tmp_path)] == [["a", "c"]]
    assert (told[0]["rows"], told[0]["reason"]) == (1, "a category of more than 1,000 characters")


def test_lines_and_segments_are_bounded_in_bytes(tmp_path, monkeypatch):
    """The analyst reads a line at once, and a segment: neither grows with what came in a second."""
    monkeypatch.setattr(server_log, "LINE_BYTES", 5_000)
    monkeypatch.setattr(server_log, "WRITE_BYTES", 20_000)
    monkeypatch.setattr(server_log, "MAX_SEGMENT", 30_000)
    log, row, by = a_log(tmp_path), (*ROW[:3], "c" * 900, *ROW[4:]), served()
    for n in range(100):
        log.record(by, [row], [n], said(1), size=1_000)
    log.close()
    segments = finished_segments(tmp_path)
    assert len(segments) > 2 and max(path.stat().st_size for path in segments) < 60_000
    assert max(len(line["ids"]) for line in lines(tmp_path)) == 5
    assert [key for line in lines(tmp_path) for key in line["ids"]] == [str(n) for n in range(100)]


def test_a_spool_that_nobody_empties_is_bounded(tmp_path):
    """Beyond `keep` nothing is written, and that is counted."""
    log = a_log(tmp_path, keep=1000)
    with structlog.testing.capture_logs() as told:
        for _ in range(3):
            log.record(served(), [ROW] * 20, [None] * 20, said(20))
            log.flush()
    log.close()
    assert sum(len(line["rows"]) for line in lines(tmp_path)) == 20 and log.dropped == 40
    assert "prediction_log.keep" in told[0]["reason"]


def test_a_full_disk_costs_rows_and_nothing_else(tmp_path, monkeypatch):
    """A write that fails is counted; the next one begins a new segment and is whole."""
    log = a_log(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("daemon.runtime.spool.os.fsync", _no_space)
        log.record(served(), [ROW] * 5, [1, 2, 3, 4, 5], said(5))
        log.flush()
    assert log.dropped == 5
    log.record(served(), [ROW] * 2, [6, 7], said(2))
    log.close()
    assert lines(tmp_path)[-1]["ids"] == ["6", "7"]


def _no_space(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_request_that_cannot_be_written_stops_nothing(tmp_path):
    """Neither the server nor later rows: it is counted."""
    log = a_log(tmp_path)
    log.record(SimpleNamespace(name="v0"), [ROW], ["a"], said(1))
    log.flush()
    log.record(served(), [ROW], ["b"], said(1))
    log.close()
    assert log.dropped == 1 and [line["ids"] for line in lines(tmp_path)] == [["b"]]


def test_little_disk_is_left_to_others(tmp_path):
    """Below [service] min_free nothing is written."""
    log = PredictionLog("m", tmp_path, PredictionLogSettings(), min_free=2**62)
    with structlog.testing.capture_logs() as told:
        log.record(served(), [ROW], ["a"], said(1))
        log.close()
    assert lines(tmp_path) == [] and "min_free" in told[0]["reason"]


def test_what_is_kept_is_what_was_asked_and_answered(tmp_path):
    """Features in the types of snapshots, time, id, version, role, prediction and probabilities, a row each."""
    log = a_log(tmp_path)
    odd = (float("nan"), 2.0, 0, 7, 1_700_000_000.25)
    empty = (None,) * 5
    worst = (10**400, 2**70, "no", "\ud800", "yesterday")
    log.record(served("v1"), [ROW, odd], ["a", 7], said(2))
    log.record(served("v2"), [empty, worst], [None, 1.5], said(2), "shadow")
    log.close()
    result, table = converted(tmp_path, tmp_path / "work")
    assert (result["rows"], result["answers"], result["torn"]) == (4, 2, 0)
    rows = table.to_pylist()
    assert [r["x"] for r in rows] == [1.5, None, None, None]
    assert [r["n"] for r in rows] == [3, 2, None, None]
    assert [r["b"] for r in rows] == [True, False, None, None]
    assert [r["c"] for r in rows] == ["red", "7", None, "?"]
    assert [r["t"] for r in rows][:2] == [datetime(2026, 1, 2, 2, 4, 5), datetime(2023, 11, 14, 22, 13, 20, 250_000)]
    assert [r["t"] for r in rows][2:] == [None, None]
    assert [r["__id"] for r in rows] == ["a", "7", None, None]
    assert [(r["__version"], r["__role"]) for r in rows] == [("v1", "answer")] * 2 + [("v2", "shadow")] * 2
    assert {(r["__prediction"], r["__p_no"], r["__p_yes"]) for r in rows} == {("yes", 0.25, 0.75)}
    assert "note" not in table.column_names and "label" not in table.column_names


def test_a_data_file_is_made_of_the_answers_alone(tmp_path):
    """Shadowed rows are left out; ids and times are of the schema's kinds, an id that cannot be is missing, and what
    requests do not tell, such as free text, is no column at all rather than a missing one."""
    log = a_log(tmp_path)
    log.record(served(), [ROW] * 3, ["7", 8, "x"], said(3))
    log.record(served(), [ROW] * 3, ["9", "9", "9"], said(3), "shadow")
    log.close()
    result, kept = converted(tmp_path, tmp_path / "work")
    asked = {"logs": [result["path"]], "digests": [result["digest"]], "schema": SCHEMA.to_json()}
    taken = run(answered_rows.traffic, {**asked, "settings": SETTINGS, "work": str(tmp_path / "work")})["taken"]
    assert (taken["kind"], taken["rows"], taken["labelled_rows"], taken["rejected"]) == ("rows", 3, 0, 0)
    table = pq.read_table(taken["snapshot"])
    assert table.column("id").to_pylist() == [7, 8, None]
    answered = kept.column("__time").cast("int64").to_pylist()
    assert table.column("at").to_pylist() == [micros // 1_000_000 for micros in answered[:3]]
    assert "note" not in table.column_names and table.column("label").null_count == 3


def test_what_was_drawn_at_random_is_kept_with_its_propensity(tmp_path):
    """Explored and plain answers in one log: the class that the version answers by itself, and how likely the answer was;
    the data file's snapshot has them row by row, missing where nothing was drawn, and another digest for it."""
    given = Predictions(np.array(["no", "yes"]), np.tile([0.25, 0.75], (2, 1)), ("no", "yes"))
    explored = Explored(0.1, np.array([True, False]), np.array(["yes", "yes"]), np.array([0.05, 0.95]))
    log = a_log(tmp_path)
    log.record(served(), [ROW] * 2, [1, 2], given, explored=explored)
    log.record(served(), [ROW], [3], said(1))
    log.close()
    result, kept = converted(tmp_path, tmp_path / "work")
    assert kept.column("__prediction").to_pylist() == ["no", "yes", "yes"]
    assert kept.column("__explored").to_pylist() == [True, False, None]
    asked = {"logs": [result["path"]], "digests": [result["digest"]], "schema": SCHEMA.to_json()}
    taken = run(answered_rows.traffic, {**asked, "settings": SETTINGS, "work": str(tmp_path / "work")})["taken"]
    table = pq.read_table(taken["snapshot"])
    assert {name: table.column(name).to_pylist() for name in COLUMNS_OF_ANSWERS} == {
        "__greedy": ["yes", "yes", None], "__answer": ["no", "yes", "yes"], "__propensity": [0.05, 0.95, None],
        "__explore_share": [0.1, 0.1, None],
    }  # fmt: skip
    assert taken["snapshot_digest"] == file_digest(Path(taken["snapshot"]))


def test_files_of_the_log_that_someone_removed_are_done_without(tmp_path):
    """The rest becomes the data file; without any it is refused, once, and holds nothing up."""
    log = a_log(tmp_path)
    log.record(served(), [ROW] * 3, [1, 2, 3], said(3))
    log.close()
    result, _ = converted(tmp_path, tmp_path / "work")
    asked = {"digests": ["a", "b"], "schema": SCHEMA.to_json(), "settings": SETTINGS, "work": str(tmp_path / "work")}
    taken = run(answered_rows.traffic, {**asked, "logs": [result["path"], str(tmp_path / "gone.parquet")]})["taken"]
    assert taken["rows"] == 3
    with pytest.raises(Refused, match="gone or damaged"):
        run(answered_rows.traffic, {**asked, "logs": [str(tmp_path / "gone.parquet")]})


def test_a_line_that_a_kill_cut_off_costs_itself_alone(tmp_path):
    """The whole lines before it are kept, and it is counted."""
    log = a_log(tmp_path)
    for name in ("a", "b"):
        log.record(served(), [ROW], [name], said(1))
        log.flush()
    log.close()
    segment = finished_segments(tmp_path)[0]
    segment.write_bytes(segment.read_bytes()[:-9])
    result, table = converted(tmp_path, tmp_path / "work")
    assert (result["torn"], table.column("__id").to_pylist()) == (1, ["a"])


HOLDER = """
import sys
from pathlib import Path
from daemon.reading.digest import file_digest
from daemon.runtime.spool import Spool
spool = Spool(Path(sys.argv[1]))
spool.append([{"id": 1}])
print("written", flush=True)
sys.stdin.read()
"""


def test_a_segment_is_taken_from_a_killed_server_and_never_from_a_living_one(tmp_path):
    """Whoever writes holds a lock that ends with the process, whatever its number is used for later."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "written\n"
        assert finished_segments(tmp_path) == []
        holder.kill()
        holder.wait(PATIENCE_S)
    assert [path.read_text() for path in finished_segments(tmp_path)] == ['{"id": 1}\n']


def test_threads_share_a_spool(tmp_path):
    """No line is lost, doubled or torn while segments are handed over."""
    spool = Spool(tmp_path)

    def write(first: int) -> None:
        for k in range(first, first + 50):
            spool.append([{"k": k}])
            spool.close_old(at_once=k % 7 == 0)

    threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 200, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.close_old(at_once=True)
    assert sorted(line["k"] for line in lines(tmp_path)) == list(range(200))
    assert list(tmp_path.glob("*.open")) == []


def test_a_lasting_stream_becomes_few_segments(tmp_path, monkeypatch):
    """Segments that follow each other stay open longer, up to a bound; after a pause the next is handed over soon."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("daemon.runtime.spool.time.monotonic", lambda: clock.now)
    spool, lasted = Spool(tmp_path, 1.0, 8.0), []

    def one() -> float:
        spool.append([{"k": 1}])
        begun, before = clock.now, len(finished_segments(tmp_path))
        while len(finished_segments(tmp_path)) == before:
            clock.now += 0.5
            spool.close_old()
        return clock.now - begun

    lasted = [one() for _ in range(5)]
    clock.now += 100
    assert [*lasted, one()] == [1.0, 2.0, 4.0, 8.0, 8.0, 1.0]


@pytest.fixture
def ledger(tmp_path):
    """A fresh ledger that knows model m."""
    opened = new_ledger(tmp_path)
    with opened.begin() as conn:
        models.ensure(conn, "m")
    yield opened
    opened.close()


def keep(conn: Any, name: str, answers: int, size: int = 100_000) -> None:
    """A file of the log."""
    told = {"digest": name, "rows": answers + 1, "answers": answers, "bytes": size, "first_time": 5.0, "last_time": 9.0}
    prediction_log.record(conn, "m", f"p/{name}", [f"s{name}"], told, 10.0)


def test_answers_are_meant_for_a_data_file_before_it_is_made(ledger):
    """Too few wait; what was meant for a file stays so until it is dealt with, and later ones wait for the next."""
    with ledger.begin() as conn:
        keep(conn, "a", 30)
        assert not prediction_log.assign(conn, "m", "predictions/1", 50)
        keep(conn, "b", 30)
        assert prediction_log.assign(conn, "m", "predictions/1", 50)
        keep(conn, "c", 30)
        assert [row.digest for row in prediction_log.assigned(conn, "m")] == ["a", "b"]
        assert prediction_log.waiting(conn, "m") == (30, 5.0)
        prediction_log.taken(conn, "m", "predictions/1", 11.0)
        assert list(prediction_log.assigned(conn, "m")) == []
        assert prediction_log.recorded(conn, "m", ["sa", "sc", "sd"]) == {"sa", "sc"}


def test_a_segment_is_known_however_many_files_came_after_it(ledger):
    """As where a host was killed before it removed one, and leads again after others did."""
    with ledger.begin() as conn:
        for number in range(30):
            keep(conn, str(number), 1)
        assert prediction_log.recorded(conn, "m", ["s0"]) == {"s0"} and prediction_log.recorded(conn, "m", []) == set()


def test_what_expires_goes_whole_and_oldest_first(ledger):
    """Files of the log go with the data file that was made of them; small ones count as if they were larger."""
    with ledger.begin() as conn:
        for name, size in (("a", 100_000), ("b", 10), ("c", 100_000)):
            keep(conn, name, 30, size)
            if name == "b":
                prediction_log.assign(conn, "m", "predictions/1", 50)
        values = {"model": "m", "path": "predictions/1", "state": "accepted", "source": "traffic", "snapshot": "s"}
        look = {"size": 7, "mtime_ns": 0, "ctime_ns": 0, "inode": 0}
        conn.execute(tables.files.insert().values(**values, **look, seq=1, at=1.0))
        first, second = prediction_log.units(conn, "m")
        assert ([row.digest for row in first.rows], first.bytes, first.pending) == (["a", "b"], 165_543, True)
        prediction_log.taken(conn, "m", "predictions/1", 2.0)
        first, second = prediction_log.units(conn, "m")
        assert (first.pending, second.pending, second.data_file) == (False, False, None)
        prediction_log.expire(conn, "m", first)
        assert conn.execute(tables.files.select()).one().state == "expired"
        assert prediction_log.paths(conn, "m") == {"p/c"}
        assert [(row[0], row[1], row[3]) for row in retention.left_snapshots(conn, "m")] == [(1, "s", True)]
