"""The world at its worst, on a real daemon: odd files, a vanishing folder, a full disk, a port in use, two daemons."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from daemon_harness import FAST, Daemon, Event, drop, rows
from helpers import wait_for

MODEL = """\
[models.{name}]
data_dir = "{name}"
task = "classification"
target = "label"
metric = "accuracy"
{mode}
[models.{name}.intake]
settle = "200ms"
{intake}
[models.{name}.triggers]
first_rows = {first_rows}
[models.{name}.columns]
x = "number"
z = "number"
colour = "category"
label = "category"
"""
OFTEN, POLLING, SELDOM = 'rescan = "500ms"', 'rescan = "500ms"\nwatch = "polling"', 'rescan = "1h"'
ONE_SERVICE = pytest.mark.xdist_group("world")
"""Of tests that share a service, each with a model of its own."""


@dataclass(frozen=True)
class Model:
    """One model of the shared service, and its folder."""

    daemon: Daemon
    name: str

    @property
    def data(self) -> Path:
        """Where its files go."""
        return self.daemon.folder / self.name

    def wait(self, event: str, since: int = 0, **fields: Any) -> Event:
        """The first such event of this model."""
        return self.daemon.wait(event, since=since, model=self.name, **fields)

    def seen(self, event: str, **fields: Any) -> list[Event]:
        """All such events of this model."""
        return list(self.daemon.seen(event, model=self.name, **fields))

    def json(self, command: str) -> Any:
        """What a command reports of it."""
        return self.daemon.json(command, self.name)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Model]]:
    """A running service of several models, most of which never have the rows for a first one."""
    daemon = Daemon(tmp_path_factory.mktemp("world"))
    for name, intake in (
        ("odd", OFTEN), ("growing", OFTEN), ("recreated", OFTEN), ("linked", SELDOM), ("polled", POLLING),
        ("replaced", OFTEN), ("unreadable", OFTEN), ("observed", OFTEN),
    ):  # fmt: skip
        mode, first_rows = ('mode = "observe"', 300) if name == "observed" else ("", 100_000)
        section = MODEL.format(name=name, intake=intake, mode=mode, first_rows=first_rows)
        daemon.config.write_text(daemon.config.read_text() + section)
    (daemon.folder / "real").mkdir()
    (daemon.folder / "linked").symlink_to(daemon.folder / "real")
    daemon.start()
    yield lambda name: Model(daemon, name)
    daemon.close()


@ONE_SERVICE
def test_things_named_like_files_are_told_and_cost_nothing_else(shared: Callable[[str], Model]) -> None:
    """A folder, a socket, a broken link and a named pipe; names with spaces, newlines and emoji; a sub-folder."""
    model = shared("odd")
    (model.data / "folder.csv").mkdir()
    (model.data / "broken.csv").symlink_to(model.daemon.folder / "nowhere")
    os.mkfifo(model.data / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(model.data / "sock.csv"))
        for name, told in (
            ("folder", "a folder"),
            ("broken", "broken symbolic link"),
            ("pipe", "pipe"),
            ("sock", "socket"),
        ):
            assert told in model.wait("file_refused", file=f"{name}.csv")["reason"]
    odd = ["with space.csv", "two\nlines.csv", "☂.csv", os.fsdecode(b"raw\xff.csv")]
    for seed, name in enumerate(odd):
        drop(rows(seed, 50), model.data / name)
    (model.data / "deep" / "er").mkdir(parents=True)
    drop(rows(9, 50), model.data / "deep" / "er" / "x.parquet")
    for name in (*odd, "deep/er/x.parquet"):
        model.wait("file_accepted", file=name)
    assert len(model.json("files")) == len(odd) + 1


@ONE_SERVICE
def test_a_growing_file_is_taken_when_it_stops_and_a_vanished_one_never(shared: Callable[[str], Model]) -> None:
    """Two equal looks, a settle time apart."""
    model = shared("growing")
    whole = drop(rows(1), model.daemon.folder / "whole.csv").read_text()
    with (model.data / "grows.csv").open("w") as file:
        for start in range(0, len(whole), len(whole) // 15):
            file.write(whole[start : start + len(whole) // 15])
            file.flush()
            until_s = time.monotonic() + 0.1
            wait_for(lambda until_s=until_s: time.monotonic() > until_s, 1, 0.01)
            assert not model.seen("file_accepted", file="grows.csv")
    drop(rows(2), model.data / "gone.csv")
    model.wait("file_seen", file="gone.csv")
    (model.data / "gone.csv").unlink()
    assert model.wait("file_accepted", file="grows.csv")["rows"] == 600
    drop(rows(3, 60), model.data / "after.csv")
    model.wait("file_accepted", file="after.csv")
    assert not model.seen("file_accepted", file="gone.csv")


@ONE_SERVICE
def test_a_deleted_and_recreated_folder_is_watched_again(shared: Callable[[str], Model]) -> None:
    """Files in the new folder are taken in; those of the old one are not forgotten."""
    model = shared("recreated")
    drop(rows(1, 60), model.data / "a.csv")
    model.wait("file_accepted", file="a.csv")
    shutil.rmtree(model.data)
    model.data.mkdir()
    drop(rows(2, 60), model.data / "b.csv")
    model.wait("file_accepted", file="b.csv")
    assert {f["path"]: f["state"] for f in model.json("files")} == {"a.csv": "accepted", "b.csv": "accepted"}


@ONE_SERVICE
def test_a_symlinked_folder_is_watched(shared: Callable[[str], Model]) -> None:
    """The real folder behind the link."""
    model = shared("linked")
    drop(rows(1, 60), model.data.resolve() / "a.csv")
    model.wait("file_accepted", file="a.csv")


@ONE_SERVICE
def test_polling_finds_files_where_events_do_not_come(shared: Callable[[str], Model]) -> None:
    """For network file systems."""
    model = shared("polled")
    drop(rows(1, 60), model.data / "a.csv")
    model.wait("file_accepted", file="a.csv")


@ONE_SERVICE
def test_a_replaced_file_supersedes_its_old_rows(shared: Callable[[str], Model]) -> None:
    """New content at a known path; the same content under a new name is a duplicate."""
    model = shared("replaced")
    drop(rows(1, 60), model.data / "a.csv")
    model.wait("file_accepted", file="a.csv")
    since = len(model.daemon.events)
    drop(rows(2, 70), model.data / "a.csv")
    model.wait("file_accepted", since=since, rows=70)
    drop(rows(2, 70), model.data / "b.csv")
    model.wait("file_duplicate", file="b.csv")
    assert [(f["path"], f["state"]) for f in model.json("files")] == [
        ("a.csv", "superseded"), ("a.csv", "accepted"), ("b.csv", "duplicate"),
    ]  # fmt: skip


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@ONE_SERVICE
def test_an_unreadable_file_is_told_and_taken_once_it_is_readable(shared: Callable[[str], Model]) -> None:
    """The message names its mode."""
    model = shared("unreadable")
    path = drop(rows(1, 60), model.daemon.folder / "a.csv")
    path.chmod(0)
    path.rename(model.data / "a.csv")
    assert "may not be read" in model.wait("file_refused", file="a.csv")["reason"]
    (model.data / "a.csv").chmod(0o600)
    model.wait("file_accepted", file="a.csv")


@pytest.mark.long  # tests/faults has one on a disk that is really full
def test_a_full_disk_stops_the_intake_and_not_the_serving(make_daemon: Callable[..., Daemon]) -> None:
    """With less than min_free nothing is taken in; the champion goes on answering."""
    daemon = make_daemon(FAST).start()
    drop(rows(1), daemon.data / "a.csv")
    daemon.wait("model_swapped")
    daemon.stop()
    text = daemon.config.read_text()
    daemon.config.write_text(text.replace('min_free = "1MB"', 'min_free = "900TB"'))
    since = len(daemon.events)
    daemon.start()
    drop(rows(2, 60), daemon.data / "b.csv")
    low = daemon.wait("disk_low", since=since)
    assert low["waiting_file"] == "b.csv" and daemon.predict().status_code == 200
    assert not list(daemon.seen("file_accepted", since=since))
    daemon.stop()
    daemon.config.write_text(text)
    daemon.start()
    daemon.wait("file_accepted", since=since, file="b.csv")


def test_a_port_in_use_and_a_held_state_are_refused_with_the_way_out(make_daemon: Callable[..., Daemon]) -> None:
    """Status 1 and one clear line; the running daemon is not disturbed."""
    daemon = make_daemon(FAST).start()
    held = daemon.cli("run", check=False)
    assert daemon.process is not None
    assert held.returncode == 1 and "another driftd" in held.stderr and "state_dir" in held.stderr
    assert f"process {daemon.process.pid}" in held.stderr
    other = make_daemon(FAST)
    other.config.write_text(other.config.read_text().replace(str(other.port), str(daemon.port)))
    taken = other.cli("run", check=False)
    assert taken.returncode == 1 and "cannot listen on" in taken.stderr
    assert daemon.process is not None and daemon.process.poll() is None


def test_a_reload_is_whole_or_not_at_all(make_serving: Callable[[str], Daemon]) -> None:
    """SIGHUP and `driftd reload` apply a good configuration and refuse a bad one, while serving."""
    daemon = make_serving(FAST)
    good = daemon.config.read_text()
    assert daemon.process is not None
    daemon.config.write_text(good.replace('task = "classification"', 'task = "nonsense"'))
    control = psutil.Process(daemon.process.pid)
    for process in (control, *control.children(recursive=True)):
        process.send_signal(signal.SIGHUP)  # as a terminal sends it to all
    assert "nonsense" in daemon.wait("config_refused")["reason"]
    told = daemon.cli("reload", check=False)
    assert told.returncode == 2 and "nonsense" in told.stderr
    (daemon.folder / "more").write_text("a file where the folder is to be")
    added = good + '\n[models.n]\ndata_dir = "more"\ntask = "regression"\ntarget = "x"\n'
    daemon.config.write_text(added)
    told = daemon.cli("reload", check=False)
    assert told.returncode == 1 and "[models.n] data_dir" in told.stderr
    assert not list(daemon.seen("config_reloaded"))
    (daemon.folder / "more").unlink()
    assert daemon.cli("reload").stdout == "reloaded: n changed\n"
    assert daemon.wait("config_reloaded")["changed"] == ["n"]
    drop(rows(2, 60), daemon.folder / "more" / "b.csv")
    daemon.wait("file_accepted", file="b.csv", model="n")
    assert not list(daemon.seen("server_died")) and not list(daemon.seen("worker_died"))
    assert daemon.predict().status_code == 200


def test_approve_waits_for_a_person(make_daemon: Callable[..., Daemon]) -> None:
    """Nothing is promoted before `driftd approve`."""
    daemon = make_daemon('mode = "approve"\n' + FAST).start()
    drop(rows(1), daemon.data / "a.csv")
    asked = daemon.wait("approval_needed")
    assert daemon.predict().status_code == 503
    daemon.cli("approve", str(asked["cycle_id"]))
    daemon.wait("model_swapped")
    assert daemon.predict().status_code == 200


@ONE_SERVICE
def test_observe_decides_and_changes_nothing(shared: Callable[[str], Model]) -> None:
    """It tells that it would have opened a cycle."""
    model = shared("observed")
    drop(rows(1), model.data / "a.csv")
    assert "labelled rows" in model.wait("cycle_not_opened")["reason"]
    assert model.json("history") == []


def test_a_scheduled_check_judges_the_recent_window(make_serving: Callable[[str], Daemon]) -> None:
    """What the schedule writes into the ledger is worked off, also after a restart; where asked with tests of all
    columns together, told in a sentence."""
    import sqlite3

    daemon = make_serving(FAST + "[models.m.drift]\nmultivariate = true\n")
    daemon.stop()
    with sqlite3.connect(daemon.folder / "state/ledger.sqlite") as ledger:
        ledger.execute("insert into due (model, kind, due_at) values ('m', 'check', 60)")
    since = len(daemon.events)
    daemon.start()
    finished = daemon.wait("check_finished", since=since)
    assert finished["kind"] == "schedule" and finished["together"] == ["3 columns together: nothing beyond chance"]
    assert "together   3 columns together" in daemon.cli("status").stdout
