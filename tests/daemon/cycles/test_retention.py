"""What is kept and what goes: files by need and age, history by age, and queries that years of files do not slow."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hanging_folder import HangingFolder
from helpers import PATIENCE_S, until
from ledgers import new_ledger
from sqlalchemy import Connection, Table, func, select
from year_of_files import MINUTE, Plans, build

from daemon.config.config import load_config
from daemon.config.event_schema import TYPES
from daemon.config.events import EVENTS
from daemon.cycles.checks import MOST_AGAIN
from daemon.cycles.retention import gone_files, keep_model, sweep_model, sweep_rows, sweep_service
from daemon.ledger import (
    Ledger,
    assessments,
    checks,
    cycles,
    due,
    events,
    files,
    models,
    observe,
    prediction_log,
    promotions,
    retention,
    tables,
    totals,
)
from daemon.reading.look import Look
from daemon.reports.status import overview
from daemon.reports.timeline import timeline
from daemon.runtime.context import ModelContext, Shared, make_folders
from daemon.runtime.worker.process import Limits, Worker
from retrain import durable
from retrain.planning.retention import NEWEST, StoredFile, expirable, pause_s
from retrain.records.planner_state import PlannerState
from retrain.records.settings import ModelSettings
from retrain.records.trigger import Trigger

pytestmark = pytest.mark.xdist_group("retention")  # one ledger for many of them, in their order
DAY = 86_400.0
FILES = 12_000
LABELLED = StoredFile(1, 1, "a", 0.0, 0.0, 100, 100)


def settings(**changes: object) -> ModelSettings:
    """Defaults but for these."""
    return ModelSettings.model_validate({"data_dir": "d", "task": "classification", "target": "y", **changes})


def result(snapshot: str, last_time: float) -> dict[str, Any]:
    """What the intake made of a file."""
    return {
        "kind": "rows", "snapshot": snapshot, "snapshot_digest": "d", "rows": 1, "labelled_rows": 1, "class_rows": {},
        "rejected": 0, "quarantine": None, "quality": None, "first_time": None, "last_time": last_time, "rejects": [],
    }  # fmt: skip


def stored(count: int, **changes: object) -> list[StoredFile]:
    """One file a day, the newest first."""
    made = (replace(LABELLED, id=i, seq=i, sha256=str(i), at=i * DAY, newest=i * DAY) for i in range(count, 0, -1))
    return [replace(file, **changes) for file in made]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, 1000),
        ({"window": {"kind": "files", "files": 200}}, 366),
        ({"window": {"kind": "files", "files": 500}}, 500),
        ({"window": {"kind": "last", "last": "600d"}}, 601),
        ({"window": {"max_rows": 50_000}}, 500),
        ({"window": {"max_rows": 10_000}, "retention": {"snapshots": "120d"}}, 121),
        ({"window": {"max_rows": 10_000}, "retention": {"snapshots": "1d"}}, NEWEST),
        ({"window": {"max_rows": 10_000}, "check_window": "300d", "retention": {"snapshots": "1d"}}, 301),
        ({"window": {"max_rows": 10_000}, "retention": {"snapshots_size": "150KB"}}, 150),
        ({"window": {"max_rows": 10_000}, "labels": {"maturity": "500d"}}, 501),
        ({"window": {"max_rows": 10_000}, "labels": {"maturity": "300 files"}, "retention": {"snapshots": "1d"}}, 400),
    ],
)
def test_a_snapshot_stays_as_long_as_someone_needs_it(changes, kept):
    """By age or size, but never one that a window, a check or the newest files need."""
    gone = list(expirable(stored(1000, bytes=1000), settings(**changes), (), 1000 * DAY))
    assert 1000 - len(gone) == kept
    assert [file.seq for file in gone] == list(range(1000 - kept, 0, -1))


def test_what_a_kept_version_was_made_of_stays():
    """So that it can be made again; rows that can never have a label need no window."""
    wanted = settings(window={"kind": "files", "files": 1})
    gone = list(expirable(stored(1000), wanted, {"7", "9"}, 1000 * DAY))
    assert {7, 9}.isdisjoint(file.seq for file in gone) and len(gone) == 1000 - 366 - 2
    unlabelled = stored(1000, labelled_rows=0)
    assert len(list(expirable(unlabelled, settings(), (), 1000 * DAY))) == 634
    assert len(list(expirable(unlabelled, settings(id_column="i"), (), 1000 * DAY))) == 0


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelContext, Ledger, float]]:
    """A week of a file a minute."""
    config, ledger, now = build(tmp_path_factory.mktemp("history"), FILES)
    shared = Shared(config, ledger, Worker("analyst", Limits()), None)  # type: ignore[arg-type]
    yield ModelContext("m", config.models["m"], shared), ledger, now
    ledger.close()


@pytest.mark.file_ledger
def test_no_query_of_a_file_or_of_status_reads_a_long_table_whole(history):
    """Years of files slow neither what control asks for each file nor what people ask: all go by an index, and sort
    nothing long."""
    context, ledger, now = history
    state = PlannerState(handled_check=FILES - 100, base_seq=FILES - 100, watch_seq=FILES - 100, seen_seq=FILES - 100)
    with Plans(ledger) as plans, ledger.begin() as conn:
        observe.observe(conn, "m", 0, state)
        files.by_content(conn, "m", "nobody")
        files.newest_usable(conn, "m", 1000)
        files.looked_back_over(conn, "m", 1000, 20_000, 30 * DAY, now)
        files.nth_newest_labelled(conn, "m", FILES, 1000, 30 * DAY, now)
        files.newest_rows(conn, "m", 6, ("accepted",), sources=("folder",))
        files.recent(conn, "m", DAY)
        files.listed(conn, "m", None, 1000)
        checks.unchecked(conn, "m", 201, 0, MOST_AGAIN)
        checks.latest_performances(conn, "m")
        checks.answered(conn, "m", 1000)
        checks.scores(conn, "m", 1, 1000)
        promotions.eras(conn, "m", {1})
        prediction_log.of_data_files(conn, "m", ["predictions/2026"])
        assessments.candidates(conn, "m", 0)
        assessments.proposal(conn, "m")
        assessments.proposal_at(conn, "m", FILES // 2)
        assessments.found_after(conn, "m", FILES - 100)
        assessments.newest_label_file(conn, "m")
        assessments.record(conn, "m", 1, {"assessments": [], "skipped": [], "proposal": None}, now)
        due.pending(conn, "m", "check")
        events.listed(conn, "m", 20)
        events.listed(conn, None, 20)
        timeline(conn, "m", 20)
        timeline(conn, None, 20)
        list(promotions.roll_backs(conn, "m"))
        cycles.listed(conn, "m", 20)
        promotions.champion(conn, "m")
        files.record_accepted(conn, "m", "day1/1500.csv", Look(1, 1, 1, 1), "new", result("s", now), now)
        overview(context.shared.config, ledger)
    assert plans.scans == []


@pytest.mark.file_ledger
def test_kept_totals_are_what_counting_gives(history):
    """Whatever becomes of files."""
    _, ledger, _ = history
    with ledger.begin() as conn:
        files.hold(conn, "m", "day0/1.csv", "odd")
        files.hold(conn, "m", "day3/5001.csv", "odd")
        files.release(conn, "m", "day4/6000.csv")
        files.forget(conn, "m", "day0/1.csv")
        counted = select(tables.files.c.state, func.count()).group_by(tables.files.c.state)
        assert totals.by_model(conn)[0]["m"] == dict(conn.execute(counted).tuples().all())
        own = select(func.coalesce(func.sum(tables.files.c.labelled_rows), 0)).where(tables.files.c.state == "accepted")
        for seq in (0, 1, 1023, 1024, 5000, FILES, 2**40):
            assert files.labelled_rows(conn, "m", seq) == conn.scalar(own.where(tables.files.c.seq <= seq))
        assert files.labelled_rows(conn, "m") == conn.scalar(own)


def count(conn: Connection, table: Table, *wanted: Any) -> int:
    """Rows of a table."""
    return conn.scalar(select(func.count()).select_from(table).where(*wanted))


@pytest.mark.file_ledger
def test_history_goes_by_age_a_few_rows_at_a_time(history, monkeypatch):
    """Predictions, rejected rows and reports first, then checks and assessments; what a cycle names and the newest
    stay, and what is counted and decided from it does not change."""
    monkeypatch.setattr("daemon.cycles.retention.BREATH_S", 0.0)
    context, ledger, now = history
    named = FILES - 1000
    with ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("drift", "why", {"checks": [named]}), 1, 1, 0.0)
        conn.execute(tables.cycles.update().where(tables.cycles.c.id == cycle.id).values(state="kept"))
        before = totals.by_model(conn)[0]["m"]
    stop = Event()
    stop.set()
    assert sweep_model(context, now + 90 * DAY, stop) == {}
    done = sweep_model(context, now + 90 * DAY - 500 * MINUTE)
    long = func.length(tables.checks.c.report) > 500
    with ledger.connect() as conn:
        assert (
            done["predictions"] == FILES - 501
            and count(conn, tables.checks, tables.checks.c.predictions.is_not(None)) == 501
        )
        assert count(conn, tables.checks, long) == 502 and done["reports"] == FILES // 4 - 502
        assert count(conn, tables.rejects) == 501 // 3 and done["quarantine"] == FILES // 3 - 501 // 3
        assert checks.get(conn, named).report["columns"] and checks.get(conn, 1).report["drift"] is False
    done = sweep_model(context, now + 730 * DAY)
    with ledger.connect() as conn:
        assert done["checks"] == FILES - retention.NEWEST_CHECKS - 1 and checks.get(conn, named) is not None
        oldest = totals.newest_seq(conn, "m") - retention.LOOKED_BACK
        kept = sum(seq >= oldest for seq in range(2, FILES + 1, 2))
        assert count(conn, tables.assessments, tables.assessments.c.kind == "file") == kept
        assert assessments.candidates(conn, "m", 0) == sorted(assessments.candidates(conn, "m", 0))[-60:]
        assert totals.by_model(conn)[0]["m"] == before and promotions.champion(conn, "m") is not None
    assert sweep_service(ledger, now - DAY)["events"] == FILES - 1441


def test_what_a_sweep_counts_is_declared(tmp_path):
    """Done schedules and the rows of files among it: whole numbers of the event that tells them."""
    ledger = new_ledger(tmp_path)
    with ledger.begin() as conn:
        due.add(conn, "m", "check", 0.0)
        due.finish(conn, due.pending(conn, "m", "check"), 0.0)
    counts = {*sweep_service(ledger, DAY)} | {"file_rows"}
    ledger.close()
    assert "schedules" in counts
    declared = next(event.fields.split() for event in EVENTS if event.name == "retention_finished")
    assert counts <= {*declared} and counts <= {*TYPES["integer"].split()}


@pytest.mark.file_ledger
def test_a_kill_in_a_sweep_is_mended_by_the_next(history, monkeypatch):
    """A prediction that is gone while its check still names it goes from the check too."""
    context, ledger, now = history
    with ledger.begin() as conn:
        newest = tables.checks.c.id > FILES - 2000
        conn.execute(tables.checks.update().where(newest).values(predictions="predictions/m/a.parquet", started_at=now))
    path = context.folders.predictions / "a.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")

    def die(point: str) -> None:
        if point == "retention.remove_predictions.after_remove" and not path.exists():
            raise ZeroDivisionError

    monkeypatch.setattr(durable, "_hook", die)
    with pytest.raises(ZeroDivisionError):
        sweep_model(context, now + 91 * DAY)
    monkeypatch.setattr(durable, "_hook", None)
    assert not path.exists()
    with ledger.connect() as conn:
        named = count(conn, tables.checks, tables.checks.c.predictions.is_not(None))
        assert sweep_model(context, now + 91 * DAY)["predictions"] == named - retention.NEWEST_CHECKS


@pytest.mark.file_ledger
def test_it_runs_after_the_start_beside_everything_else_and_ends_with_it(history, monkeypatch):
    """In a thread: the event loop goes on, and a cancelled one stops after its current transaction."""
    context, ledger, now = history
    monkeypatch.setattr("daemon.cycles.retention.AFTER_START_S", 0.0)
    monkeypatch.setattr(ModelContext, "now", staticmethod(lambda: now + 2000 * DAY))
    with ledger.begin() as conn:
        conn.execute(tables.rejects.insert().values(file_id=3, line=1, column="x", reason="bad"))

    async def story() -> None:
        task = asyncio.create_task(keep_model(context))
        while True:
            await asyncio.sleep(0.01)  # the thread has Python's lock, too
            with ledger.connect() as conn:
                if not count(conn, tables.rejects):
                    break
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


def test_a_short_age_is_swept_for_as_often_as_it_needs():
    """What may stay an hour is not left lying for a day; nothing is swept for more often than once a minute."""
    assert pause_s(365 * DAY, None) == DAY
    assert pause_s(365 * DAY, 2 * DAY, None) == DAY / 2
    assert pause_s(1.0) == 60.0


def test_a_snapshot_leaves_its_windows_first_and_the_disk_at_the_next_time(tmp_path):
    """Its file is still known by content; what was predicted of it goes too, and nothing while a cycle reads."""
    (tmp_path / "config.toml").write_text(
        '[models.m]\ndata_dir = "data"\ntask = "classification"\ntarget = "y"\n'
        '[models.m.window]\nkind = "files"\nfiles = 1\n[models.m.retention]\nsnapshots = "10d"\n'
    )
    config = load_config(tmp_path / "config.toml")
    ledger = new_ledger(config.state_dir)
    context = ModelContext("m", config.models["m"], Shared(config, ledger, Worker("analyst", Limits()), None))  # type: ignore[arg-type]
    make_folders(context.folders)
    version = context.folders.versions / "v0001-aaaaaaaa"
    version.mkdir()
    kept = hashlib.sha256(b"2").hexdigest()
    (version / "training.json").write_text(json.dumps({"snapshots": [kept], "prepare": {"snapshots": [kept]}}))
    paths: list[Path] = []
    with ledger.begin() as conn:
        models.ensure(conn, "m")
        row = {"model": "m", "name": version.name, "number": 1, "digest": "a", "created_at": 0.0, "metrics": {}}
        conn.execute(tables.versions.insert().values(**row))
        for i in range(NEWEST + 5):
            name = f"snapshots/m/{i:032d}.parquet"
            paths.append(context.folders.state / name)
            paths[-1].write_bytes(b"x")
            digest = hashlib.sha256(str(i).encode()).hexdigest()
            files.record_accepted(conn, "m", f"f{i}", Look(1, 1, 1, i), digest, result(name, i * DAY), i * DAY)
    predictions = context.folders.predictions / f"{0:032d}.v1.parquet"
    predictions.write_bytes(b"p")
    now = 200 * DAY
    with ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("drift", "why"), 1, 1, 0.0)
    assert sweep_model(context, now) == {}
    with ledger.begin() as conn:
        conn.execute(tables.cycles.update().where(tables.cycles.c.id == cycle.id).values(state="kept"))
    assert sweep_model(context, now) == {"files": 4} and all(path.exists() for path in paths)
    assert sweep_model(context, now) == {"snapshots": 4}
    assert [i for i, path in enumerate(paths) if not path.exists()] == [0, 1, 3, 4] and not predictions.exists()
    with ledger.connect() as conn:
        assert files.by_content(conn, "m", hashlib.sha256(b"0").hexdigest()).state == "expired"
        assert len(files.usable(conn, "m", 2**40)) == NEWEST + 1
    assert sweep_model(context, now) == {}
    ledger.close()


def dropped(ledger: Ledger, count: int, kind: str = "rows") -> list[int]:
    """So many files, one a day, that were taken in; nothing of them is on the disk."""
    found = []
    with ledger.begin() as conn:
        for _ in range(count):
            i = totals.newest_seq(conn, "m") + 1
            made = result(f"snapshots/m/{i}.parquet", i * DAY) | {"kind": kind}
            found.append(files.record_accepted(conn, "m", f"f{i}", Look(1, 1, 1, i), str(i), made, i * DAY).id)
    return found


def model_of(folder: Path, text: str) -> tuple[ModelContext, Ledger]:
    """A model with its folders and its ledger."""
    section = f'[models.m]\ndata_dir = "data"\ntask = "classification"\ntarget = "y"\n{text}'
    (folder / "config.toml").write_text(section)
    config = load_config(folder / "config.toml")
    ledger = new_ledger(config.state_dir)
    context = ModelContext("m", config.models["m"], Shared(config, ledger, Worker("analyst", Limits()), None))  # type: ignore[arg-type]
    make_folders(context.folders)
    context.data_dir.mkdir()
    with ledger.begin() as conn:
        models.ensure(conn, "m")
    return context, ledger


def test_rows_of_files_that_are_gone_go_where_it_is_configured(tmp_path, monkeypatch):
    """Never of one that lies in the folder still, that something names, or while the folder is empty, as a mount is that
    is away; what is left is still known."""
    monkeypatch.setattr(retention, "LOOKED_BACK", 2)
    context, ledger = model_of(tmp_path, '[models.m.retention]\nfiles = "30d"\n')
    ids = dropped(ledger, 10)
    with ledger.begin() as conn:
        retention.expire(conn, ids[:8])
        conn.execute(tables.files.update().values(snapshot=None))
        conn.execute(tables.files.update().where(tables.files.c.id == ids[1]).values(state="forgotten"))
        original = files.by_content(conn, "m", "3")
        assert original is not None
        files.record_duplicate(conn, "m", "copy", Look(1, 1, 1, 99), "3", original, 500 * DAY)
    assert gone_files(context, 400 * DAY) == []
    for name in ("f4", "other"):
        (context.data_dir / name).write_text("x")
    assert sweep_rows(context, gone_files(context, 400 * DAY)) == {"file_rows": 4}
    with ledger.connect() as conn:
        left = {row.path for row in files.listed(conn, "m")}
        assert left == {"f2", "f3", "f4", "f8", "f9", "f10", "copy"}
        assert totals.by_model(conn)[0]["m"] == {"expired": 3, "forgotten": 1, "accepted": 2, "duplicate": 1}
    ledger.close()


def test_a_data_folder_that_hangs_keeps_no_retention(tmp_path, monkeypatch):
    """What lies elsewhere is swept, the next sweep comes, and its end waits for nobody."""
    context, ledger = model_of(tmp_path, '[models.m.retention]\nfiles = "30d"\n')
    folder, paused = HangingFolder(context.data_dir, monkeypatch), list[float]()
    monkeypatch.setattr("daemon.cycles.retention.AFTER_START_S", 0.0)
    monkeypatch.setattr("daemon.cycles.retention.FOLDER_S", 0.05)
    monkeypatch.setattr("daemon.cycles.retention.pause_s", lambda *_ages: paused.append(1.0) or 0.0)
    folder.hang()

    async def story() -> None:
        task = asyncio.create_task(keep_model(context))
        await until(lambda: len(paused) > 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())
    folder.answer()
    ledger.close()


def test_labels_go_with_the_rows_that_they_tell_of(tmp_path):
    """A file of labels leaves when it is much older than all rows that are left; labels may come before their rows."""
    context, ledger = model_of(tmp_path, '[models.m.retention]\nsnapshots = "2d"\n')
    rows: list[int] = []
    for _ in range(3):
        dropped(ledger, 1, "labels")
        rows += dropped(ledger, 1)
    for gone, labels_gone in ((rows[0], 1), (rows[1], 2)):
        with ledger.begin() as conn:
            retention.expire(conn, [gone])
        sweep_model(context, 400 * DAY)
        with ledger.connect() as conn:
            states = [row.state for row in files.listed(conn, "m") if row.kind == "labels"]
        assert states.count("expired") == labels_gone, states
    ledger.close()
