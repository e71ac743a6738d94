"""The ledger on a real SQLite file: files, champions, commands, and what becomes of a damaged or newer one."""

import contextlib
import grp
import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ledgers import new_ledger
from sqlalchemy.exc import IntegrityError

from daemon.config.config import load_config
from daemon.config.paths import LEDGER
from daemon.cycles import stages
from daemon.ledger import (
    Ledger,
    assessments,
    commands,
    cycles,
    deployments,
    due,
    files,
    models,
    observe,
    open_ledger,
    promotions,
    tables,
)
from daemon.reading.look import Look
from daemon.runtime.context import ModelContext, Shared
from daemon.runtime.lock import sole_owner
from daemon.runtime.worker.process import Limits, Worker
from retrain.operations import PrepareRequest
from retrain.records.errors import Refused
from retrain.records.outcome import Outcome
from retrain.records.planner_state import PlannerState
from retrain.records.schema import declared_schema
from retrain.records.settings import LabelSettings
from retrain.records.trigger import Trigger
from retrain.rows import window_reach

LOOKS = [Look(size, size, size, size) for size in range(1, 9)]


@pytest.fixture
def ledger(tmp_path, ledger_url):
    """A fresh ledger that knows model m."""
    opened = new_ledger(tmp_path, ledger_url)
    with opened.begin() as conn:
        models.ensure(conn, "m")
    yield opened
    opened.close()


def result(rows: int = 10, labelled: int = 10, kind: str = "rows") -> dict[str, Any]:
    """What the intake made of a file."""
    return {
        "kind": kind, "snapshot": "s", "snapshot_digest": "d", "rows": rows, "labelled_rows": labelled,
        "class_rows": {"no": labelled}, "rejected": 1, "quarantine": "q", "quality": {}, "first_time": None,
        "last_time": None, "rejects": [{"line": 2, "column": "x", "reason": "bad", "raw": None}],
    }  # fmt: skip


def accept(ledger: Ledger, path: str, look: Look, content: str, **changes: Any) -> Any:
    """A file taken in."""
    with ledger.begin() as conn:
        return files.record_accepted(conn, "m", path, look, content, result(**changes), 1.0)


def states(ledger: Ledger) -> list[tuple[str, str]]:
    """Path and state of all files."""
    with ledger.connect() as conn:
        return [(row.path, row.state) for row in files.listed(conn, "m")]


def test_a_files_rows_are_numbered_by_arrival_and_its_rejects_kept(ledger):
    """seq counts accepted files."""
    rows = [accept(ledger, name, LOOKS[i], name) for i, name in enumerate("abc")]
    assert [row.seq for row in rows] == [1, 2, 3]
    with ledger.connect() as conn:
        assert [(r.line, r.column, r.reason) for r in files.rejects_of(conn, rows[0].id)] == [(2, "x", "bad")]
        assert files.known(conn, "m") == {"a": LOOKS[0], "b": LOOKS[1], "c": LOOKS[2]}


def test_new_content_at_a_path_supersedes_the_old(ledger):
    """Superseded rows leave every window."""
    accept(ledger, "a", LOOKS[0], "one")
    accept(ledger, "a", LOOKS[1], "two")
    assert states(ledger) == [("a", "superseded"), ("a", "accepted")]
    with ledger.connect() as conn:
        assert [row.seq for row in files.usable(conn, "m", 99)] == [2]


def test_a_rotated_file_keeps_its_rows(ledger):
    """The content that was renamed before its name was written anew lives on under the new name."""
    original = accept(ledger, "log.csv", LOOKS[0], "one")
    with ledger.begin() as conn:
        files.record_duplicate(conn, "m", "log.1.csv", LOOKS[1], "one", original, 2.0)
    accept(ledger, "log.csv", LOOKS[2], "two")
    with ledger.connect() as conn:
        usable = files.usable(conn, "m", 99)
        assert files.known(conn, "m")["log.csv"] == LOOKS[2]
    assert [row.sha256 for row in usable] == ["one", "two"]
    assert ("log.1.csv", "accepted") in states(ledger)


def test_a_touched_file_is_known_by_its_new_look(ledger):
    """Same path, same content: nothing but the look changes."""
    original = accept(ledger, "a", LOOKS[0], "one")
    with ledger.begin() as conn:
        files.record_duplicate(conn, "m", "a", LOOKS[1], "one", original, 2.0)
        assert files.known(conn, "m") == {"a": LOOKS[1]}
    assert states(ledger) == [("a", "accepted")]


def test_a_connection_is_one_view(ledger):
    """Whatever others commit between two reads of a connection, it sees what was there at its first; the next sees all."""
    accept(ledger, "a", LOOKS[0], "one")
    with ledger.connect() as conn:
        before = files.known(conn, "m")
        accept(ledger, "b", LOOKS[1], "two")
        assert files.known(conn, "m") == before == {"a": LOOKS[0]}
        assert [row.path for row in files.listed(conn, "m")] == ["a"]
    assert [path for path, _ in states(ledger)] == ["a", "b"]


def test_one_content_is_used_once(ledger):
    """The database itself refuses a second use."""
    accept(ledger, "a", LOOKS[0], "one")
    with pytest.raises(IntegrityError):
        accept(ledger, "b", LOOKS[1], "one")


def test_hold_release_and_forget(ledger):
    """Held rows teach nobody, released ones do, forgotten ones never again, whatever the name."""
    accept(ledger, "a", LOOKS[0], "one")
    with ledger.begin() as conn:
        files.hold(conn, "m", "a", "odd")
        assert files.usable(conn, "m", 9) == []
        files.release(conn, "m", "a")
        assert len(files.usable(conn, "m", 9)) == 1
        files.forget(conn, "m", "a")
        assert files.usable(conn, "m", 9) == []
        assert files.by_content(conn, "m", "one").state == "forgotten"
        with pytest.raises(Refused, match="is forgotten, not accepted"):
            files.hold(conn, "m", "a", "odd")
        with pytest.raises(Refused, match="no file 'b'"):
            files.hold(conn, "m", "b", "odd")


@pytest.mark.parametrize("name", ["a b.csv", "☂\n.csv", "back\\slash \\xff.csv", os.fsdecode(b"raw\xff\xfe.csv")])
def test_any_file_name_survives(ledger, name):
    """Spaces, newlines, emoji and bytes that are no UTF-8."""
    accept(ledger, name, LOOKS[0], "one")
    with ledger.connect() as conn:
        assert list(files.known(conn, "m")) == [name]


def test_one_open_cycle_a_model(ledger):
    """The database itself refuses a second."""
    with ledger.begin() as conn:
        cycles.open_cycle(conn, "m", Trigger("drift", "why"), 1, 1, 0.0)
    with pytest.raises(IntegrityError), ledger.begin() as conn:
        cycles.open_cycle(conn, "m", Trigger("drift", "why"), 2, 1, 0.0)


def test_stages_remember_attempts_and_the_newest_result_counts(ledger):
    """A stage that a kill interrupted is told as such."""
    with ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("drift", "why", {"a": 1}), 1, 1, 0.0)
        cycles.stage_started(conn, cycle, 1.0)
        again = cycles.stage_started(conn, cycle, 2.0)
        cycles.stage_finished(conn, again, Outcome("ok", {"rows": 3}), 3.0)
        assert [s.state for s in cycles.stages_of(conn, cycle.id)] == ["interrupted", "ok"]
        assert cycles.results(conn, cycle.id) == {"prepare": {"rows": 3}}
        assert cycles.get(conn, cycle.id) == cycle


def promote(ledger: Ledger, version: str, kind: str = "promote") -> None:
    """A version becomes the champion."""
    with ledger.begin() as conn:
        deployment = deployments.for_version(conn, "m", version, 0.0)
        promotions.record(conn, "m", deployment, kind, "why", 0.0)


def test_rolling_back_twice_goes_back_two_steps(ledger):
    """The predecessor of what was rolled back to is what was before it."""
    for version in ("v1", "v2", "v3"):
        promote(ledger, version)
    seen = []
    for _ in range(2):
        with ledger.connect() as conn:
            champion = promotions.champion(conn, "m")
        seen.append(champion.predecessor.name)
        promote(ledger, champion.predecessor.name, "rollback")
    assert seen == ["v2", "v1"]
    with ledger.connect() as conn:
        assert promotions.champion(conn, "m").predecessor is None


@pytest.mark.parametrize(("evidence", "is_fixed"), [(None, True), ([{"file": 3}], False)])
def test_what_probation_rolled_back_to_is_adjusted_like_any(ledger, evidence, is_fixed):
    """Only a person's word keeps it as it is: where an old concept came back, an older version may be better still."""
    promote(ledger, "v1")
    promote(ledger, "v2")
    with ledger.begin() as conn:
        before = promotions.champion(conn, "m").predecessor
        promotions.record(conn, "m", before, "rollback", "worse", 0.0, evidence=evidence)
        champion = promotions.champion(conn, "m")
    assert champion.is_rollback and champion.fixed is is_fixed


def test_what_is_due_counts_once_and_is_done_once(ledger):
    """A schedule that fires twice for the same minute is one."""
    with ledger.begin() as conn:
        due.add(conn, "m", "check", 60.0)
        due.add(conn, "m", "check", 60.0)
        pending = due.pending(conn, "m", "check")
        due.finish(conn, pending, 61.0)
        assert (len(pending), due.pending(conn, "m", "check")) == (1, ())


def test_commands_wait_until_they_are_done(ledger):
    """Oldest first."""
    with ledger.begin() as conn:
        first = commands.enqueue(conn, "pause", {"model": "m"}, "me", 0.0)
        second = commands.enqueue(conn, "resume", {"model": "m"}, "me", 0.0)
        assert [c.id for c in commands.queued(conn)] == [first, second]
        commands.finish(conn, first, "done", "paused", 7.0)
        assert [c.id for c in commands.queued(conn)] == [second]
        done = commands.get(conn, first)
        assert (done.message, done.finished_at) == ("paused", 7.0)


def test_the_observation_counts_what_may_teach(ledger):
    """Held, superseded and forgotten rows do not count; new is what came after the last cycle's files."""
    for i, name in enumerate("abcd"):
        accept(ledger, name, LOOKS[i], name, rows=20, labelled=10 + i)
    with ledger.begin() as conn:
        files.hold(conn, "m", "d", "odd")
        seen = observe.observe(conn, "m", 2, PlannerState(seen_seq=1))
    assert (seen.labelled_rows, seen.new_labelled_rows, seen.class_rows, seen.backlog) == (33, 23, {"no": 33}, 2)


def test_late_labels_count_only_for_rows_that_lack_one(ledger):
    """Labels of unknown rows, or given twice, are no new data; those that came before their rows count later."""
    accept(ledger, "labels", LOOKS[0], "a", rows=700, labelled=700, kind="labels")
    with ledger.connect() as conn:
        assert observe.observe(conn, "m", 0, PlannerState()).labelled_rows == 0
    accept(ledger, "rows", LOOKS[1], "b", rows=500, labelled=0)
    with ledger.connect() as conn:
        seen = observe.observe(conn, "m", 0, PlannerState(seen_seq=1))
        assert (seen.labelled_rows, seen.new_labelled_rows) == (500, 500)
    accept(ledger, "more labels", LOOKS[2], "c", rows=1000, labelled=1000, kind="labels")
    with ledger.connect() as conn:
        assert observe.observe(conn, "m", 0, PlannerState(seen_seq=2)).new_labelled_rows == 0


def test_live_traffic_is_told_from_dropped_files(ledger):
    """Whoever looks back over the newest files can leave one or the other out, and neither hides the other from an
    assessment."""
    for seq in range(1, 71):
        with ledger.begin() as conn:
            source = "folder" if seq == 1 else "traffic"
            files.record_accepted(conn, "m", f"f{seq}", LOOKS[0], f"c{seq}", result(), float(seq), source)
    with ledger.connect() as conn:
        assert [row.path for row in files.newest_rows(conn, "m", 6, ("accepted",), sources=("folder",))] == ["f1"]
        assert [row.path for row in files.newest_rows(conn, "m", 2, ("accepted",))] == ["f69", "f70"]
        assert [row.source for row in files.usable(conn, "m", 2)] == ["folder", "traffic"]
        assert assessments.candidates(conn, "m", 0) == [1, *range(11, 71)]


def test_a_poller_sees_a_change_of_another_process(ledger, ledger_url, tmp_path):
    """data_version changes when anyone commits, and where nobody does not."""
    before = ledger.data_version()
    with contextlib.closing(new_ledger(tmp_path, ledger_url)) as other:
        states(other)
        assert ledger.data_version() == before
        with other.begin() as conn:
            models.set_paused(conn, "m", True)
    assert ledger.data_version() != before


def test_a_newer_ledger_is_refused(tmp_path):
    """An older driftd does not touch it."""
    open_ledger(tmp_path).close()
    with sqlite3.connect(tmp_path / LEDGER) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Refused, match="newer driftd"):
        open_ledger(tmp_path)


def test_a_missing_ledger_is_not_made_by_a_command(tmp_path):
    """Only the service makes it."""
    with pytest.raises(Refused, match="no ledger"):
        open_ledger(tmp_path, create=False)
    assert list(tmp_path.iterdir()) == []


def test_the_migrations_give_the_tables(tmp_path):
    """What Alembic makes is what the code expects."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    opened = open_ledger(tmp_path)
    with opened.connect() as conn:
        assert compare_metadata(MigrationContext.configure(conn), tables.metadata) == []
    opened.close()


@pytest.mark.parametrize("durable", [True, False])
def test_a_transaction_is_all_or_nothing(ledger, durable):
    """An exception inside leaves nothing behind."""
    with pytest.raises(ZeroDivisionError), ledger.begin(durable) as conn:
        models.set_paused(conn, "m", True)
        raise ZeroDivisionError
    with ledger.connect() as conn:
        assert not models.get(conn, "m").paused


def test_the_operators_group_may_write(tmp_path):
    """With [service] group the ledger and its companions belong to the group and may be written by it."""
    group = grp.getgrgid(os.getgid()).gr_name
    opened = open_ledger(tmp_path / "state", group=group)
    with opened.begin() as conn:
        models.ensure(conn, "m")
    for name in (LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm"):
        assert stat.S_IMODE((tmp_path / "state" / name).stat().st_mode) == 0o660, name
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) & 0o070 == 0o070
    opened.close()


def test_without_a_group_the_ledger_is_private(tmp_path):
    """Nobody else reads it."""
    open_ledger(tmp_path).close()
    assert stat.S_IMODE((Path(tmp_path) / LEDGER).stat().st_mode) == 0o600


def test_a_state_folder_that_is_made_is_private_and_one_that_exists_keeps_its_mode(tmp_path):
    """Snapshots hold the data: other users of the machine do not look into the folder, whatever the umask."""
    (tmp_path / "there").mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        for name in ("made", "there"):
            with sole_owner(tmp_path / name):
                open_ledger(tmp_path / name).close()
        open_ledger(tmp_path / "alone").close()
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("made", "alone", "there")}
    assert modes == {"made": 0o700, "alone": 0o700, "there": 0o755}


def test_a_cycle_is_told_of_the_files_alone_that_its_window_may_need(ledger, tmp_path, monkeypatch):
    """And of how many labelled rows there are before them; of all files where labels come on their own."""
    monkeypatch.setattr(window_reach, "FEWEST_FILES", 3)
    (tmp_path / "config.toml").write_text(
        '[models.m]\ndata_dir = "d"\ntask = "classification"\ntarget = "y"\nwindow = {kind = "files", files = 2}\n'
        '[models.m.columns]\nx = "number"\ny = "category"\n'
    )
    config = load_config(tmp_path / "config.toml")
    context = ModelContext("m", config.models["m"], Shared(config, ledger, Worker("analyst", Limits()), None))  # type: ignore[arg-type]
    schema = declared_schema(context.settings)
    for i in range(8):
        accept(ledger, f"f{i}", LOOKS[0], str(i), labelled=0 if i == 6 else 10)
    with ledger.begin() as conn:
        cycle = cycles.open_cycle(conn, "m", Trigger("manual", ""), 1, 8, 1.0)
        told = stages.stage_request(context, conn, cycle, schema)
    assert isinstance(told, PrepareRequest)
    assert ([file.seq for file in told.files], told.rows_before) == ([5, 6, 7, 8], 40)
    waiting = replace(cycle, trigger=Trigger("manual", "", {"labels": {"trust": {"8": "waiting", "7": "early"}}}))
    labels = LabelSettings.model_validate({"maturity": "2 files"})
    late = replace(context, settings=context.settings.model_copy(update={"labels": labels}))
    with ledger.begin() as conn:  # what waits is waited for: as many settled files as ever
        for place, waited in ((context, waiting), (late, cycle)):
            told = stages.stage_request(place, conn, waited, schema)
            assert isinstance(told, PrepareRequest)
            assert told.files[0].seq == (4 if place is context else 3)
    accept(ledger, "labels", LOOKS[1], "labels", kind="labels")
    with ledger.begin() as conn:
        told = stages.stage_request(context, conn, cycle, schema)
    assert isinstance(told, PrepareRequest)
    assert (len(told.files), told.rows_before) == (8, 0)


def test_a_name_that_is_no_text_may_stand_in_any_reason(ledger):
    """A copy of a file with such a name names it, and so may an answer to a command; both are written with escapes."""
    name = "caf\udce9.csv"
    original = accept(ledger, name, LOOKS[0], "one")
    with ledger.begin() as conn:
        files.record_duplicate(conn, "m", "copy.csv", LOOKS[1], "one", original, 2.0)
        number = commands.enqueue(conn, "hold", {"model": "m", "file": name}, "me", 1.0)
        commands.finish(conn, number, "done", f"{name} is held", 2.0)
    with ledger.connect() as conn:
        assert commands.get(conn, number).message == "caf\\udce9.csv is held"
        copy = next(row for row in files.listed(conn, "m") if row.path == "copy.csv")
        assert copy.reason == "same content as caf\\udce9.csv" and name in files.known(conn, "m")


@pytest.mark.file_ledger
def test_a_ledger_in_a_file_loads_nothing_of_another_database(tmp_path):
    """Neither at the start of a service or a server nor by its queries: it would cost each process thirty milliseconds."""
    new_ledger(tmp_path).close()
    script = f"""if True:
        import sys
        from pathlib import Path
        import daemon.server.__main__, daemon.service.application
        from daemon.ledger import models, open_ledger
        ledger = open_ledger(Path({str(tmp_path)!r}))
        with ledger.begin() as conn:
            models.ensure(conn, "m")
        print(*sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not [name for name in done.stdout.split() if "psycopg" in name or "postgresql" in name]
