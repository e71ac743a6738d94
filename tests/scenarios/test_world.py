"""The world at its worst, on a real daemon: odd files, a vanishing folder, a full disk, a port in use, two daemons."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable

import psutil
import pytest
from daemon_harness import FAST, Daemon, drop, rows
from helpers import wait_for


def test_things_named_like_files_are_told_and_cost_nothing_else(make_daemon: Callable[..., Daemon]) -> None:
    """A folder, a socket, a broken link and a named pipe; names with spaces, newlines and emoji; a sub-folder."""
    daemon = make_daemon(FAST).start()
    (daemon.data / "folder.csv").mkdir()
    (daemon.data / "broken.csv").symlink_to(daemon.folder / "nowhere")
    os.mkfifo(daemon.data / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(daemon.data / "sock.csv"))
        for name, told in (
            ("folder", "a folder"),
            ("broken", "broken symbolic link"),
            ("pipe", "pipe"),
            ("sock", "socket"),
        ):
            assert told in daemon.wait("file_refused", file=f"{name}.csv")["reason"]
    odd = ["with space.csv", "two\nlines.csv", "☂.csv", os.fsdecode(b"raw\xff.csv")]
    for seed, name in enumerate(odd):
        drop(rows(seed, 50), daemon.data / name)
    (daemon.data / "deep" / "er").mkdir(parents=True)
    drop(rows(9, 50), daemon.data / "deep" / "er" / "x.parquet")
    for name in (*odd, "deep/er/x.parquet"):
        daemon.wait("file_accepted", file=name)
    assert len(daemon.json("files", "m")) == len(odd) + 1


def test_a_growing_file_is_taken_when_it_stops_and_a_vanished_one_never(make_daemon: Callable[..., Daemon]) -> None:
    """Two equal looks, a settle time apart."""
    daemon = make_daemon(FAST).start()
    whole = drop(rows(1), daemon.folder / "whole.csv").read_text()
    with (daemon.data / "grows.csv").open("w") as file:
        for start in range(0, len(whole), len(whole) // 15):
            file.write(whole[start : start + len(whole) // 15])
            file.flush()
            until_s = time.monotonic() + 0.1
            wait_for(lambda until_s=until_s: time.monotonic() > until_s, 1, 0.01)
            assert not list(daemon.seen("file_accepted", file="grows.csv"))
    drop(rows(2), daemon.data / "gone.csv")
    daemon.wait("file_seen", file="gone.csv")
    (daemon.data / "gone.csv").unlink()
    assert daemon.wait("file_accepted", file="grows.csv")["rows"] == 600
    drop(rows(3, 60), daemon.data / "after.csv")
    daemon.wait("file_accepted", file="after.csv")
    assert not list(daemon.seen("file_accepted", file="gone.csv"))


def test_a_deleted_and_recreated_folder_is_watched_again(make_daemon: Callable[..., Daemon]) -> None:
    """Files in the new folder are taken in; those of the old one are not forgotten."""
    daemon = make_daemon(FAST).start()
    drop(rows(1, 60), daemon.data / "a.csv")
    daemon.wait("file_accepted", file="a.csv")
    shutil.rmtree(daemon.data)
    daemon.data.mkdir()
    drop(rows(2, 60), daemon.data / "b.csv")
    daemon.wait("file_accepted", file="b.csv")
    assert {f["path"]: f["state"] for f in daemon.json("files", "m")} == {"a.csv": "accepted", "b.csv": "accepted"}


def test_a_symlinked_folder_is_watched(make_daemon: Callable[..., Daemon]) -> None:
    """The real folder behind the link."""
    daemon = make_daemon(FAST.replace('"500ms"', '"1h"'))
    real = daemon.folder / "real"
    daemon.data.rmdir()
    real.mkdir()
    daemon.data.symlink_to(real)
    daemon.start()
    drop(rows(1, 60), real / "a.csv")
    daemon.wait("file_accepted", file="a.csv")


def test_polling_finds_files_where_events_do_not_come(make_daemon: Callable[..., Daemon]) -> None:
    """For network file systems."""
    daemon = make_daemon(FAST.replace("[models.m.intake]", '[models.m.intake]\nwatch = "polling"')).start()
    drop(rows(1, 60), daemon.data / "a.csv")
    daemon.wait("file_accepted", file="a.csv")


def test_a_replaced_file_supersedes_its_old_rows(make_daemon: Callable[..., Daemon]) -> None:
    """New content at a known path; the same content under a new name is a duplicate."""
    daemon = make_daemon(FAST).start()
    drop(rows(1, 60), daemon.data / "a.csv")
    daemon.wait("file_accepted", file="a.csv")
    since = len(daemon.events)
    drop(rows(2, 70), daemon.data / "a.csv")
    daemon.wait("file_accepted", since=since, rows=70)
    drop(rows(2, 70), daemon.data / "b.csv")
    daemon.wait("file_duplicate", file="b.csv")
    assert [(f["path"], f["state"]) for f in daemon.json("files", "m")] == [
        ("a.csv", "superseded"), ("a.csv", "accepted"), ("b.csv", "duplicate"),
    ]  # fmt: skip


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_told_and_taken_once_it_is_readable(make_daemon: Callable[..., Daemon]) -> None:
    """The message names its mode."""
    daemon = make_daemon(FAST).start()
    path = drop(rows(1, 60), daemon.folder / "a.csv")
    path.chmod(0)
    path.rename(daemon.data / "a.csv")
    assert "may not be read" in daemon.wait("file_refused", file="a.csv")["reason"]
    (daemon.data / "a.csv").chmod(0o600)
    daemon.wait("file_accepted", file="a.csv")


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


def test_a_reload_is_whole_or_not_at_all(make_daemon: Callable[..., Daemon]) -> None:
    """SIGHUP and `driftd reload` apply a good configuration and refuse a bad one, while serving."""
    daemon = make_daemon(FAST).start()
    drop(rows(1), daemon.data / "a.csv")
    daemon.wait("model_swapped")
    good = daemon.config.read_text()
    assert daemon.process is not None
    daemon.config.write_text(good.replace('task = "classification"', 'task = "nonsense"'))
    for process in (psutil.Process(daemon.process.pid), *psutil.Process(daemon.process.pid).children()):
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


def test_observe_decides_and_changes_nothing(make_daemon: Callable[..., Daemon]) -> None:
    """It tells that it would have opened a cycle."""
    daemon = make_daemon('mode = "observe"\n' + FAST).start()
    drop(rows(1), daemon.data / "a.csv")
    assert "labelled rows" in daemon.wait("cycle_not_opened")["reason"]
    assert daemon.json("history") == []


def test_a_scheduled_check_judges_the_recent_window(make_daemon: Callable[..., Daemon]) -> None:
    """What the schedule writes into the ledger is worked off, also after a restart; where asked with tests of all
    columns together, told in a sentence."""
    import sqlite3

    daemon = make_daemon(FAST + "[models.m.drift]\nmultivariate = true\n").start()
    drop(rows(1), daemon.data / "a.csv")
    daemon.wait("model_swapped")
    daemon.stop()
    with sqlite3.connect(daemon.folder / "state/ledger.sqlite") as ledger:
        ledger.execute("insert into due (model, kind, due_at) values ('m', 'check', 60)")
    since = len(daemon.events)
    daemon.start()
    finished = daemon.wait("check_finished", since=since)
    assert finished["kind"] == "schedule" and finished["together"] == ["3 columns together: nothing beyond chance"]
    assert "together   3 columns together" in daemon.cli("status").stdout
