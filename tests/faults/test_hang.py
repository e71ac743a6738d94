"""A mount that hangs: whoever touches it waits for ever, and nobody else does."""

import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from daemon_harness import FAST, Daemon, drop, rows
from helpers import wait_for

from faults.mounts import Mounts, Unmountable, mirrored

HANGS_S = 60.0
"""Longer than servers and workers may be silent."""
WATCHDOG_S = 30.0
TWO = """\
[models.other]
data_dir = "other"
task = "classification"
target = "label"
metric = "accuracy"
"""


def mounts(folder: Path) -> Mounts:
    """State and data of a daemon lie on mounts; skipped where none can be made."""
    try:
        return Mounts(folder, {"HANG"})
    except Unmountable as error:
        pytest.skip(str(error))


def test_a_mirror_shows_what_is_beneath(tmp_path: Path) -> None:
    """Files, folders, links, other names, sizes, times and locks, as on the folder itself."""
    folder = tmp_path / "f"
    try:
        with mirrored(folder):
            (folder / "a").write_bytes(b"12345")
            (folder / "a").rename(folder / "b")
            (folder / "d").mkdir()
            (folder / "d/hard").hardlink_to(folder / "b")
            (folder / "link").symlink_to("d")
            os.truncate(folder / "b", 3)
            os.utime(folder / "b", ns=(10**9, 2 * 10**9 + 5))
            with (folder / "b").open("ab") as file:
                file.write(b"67")
            assert (folder / "link/hard").read_bytes() == b"12367"
            assert sorted(path.name for path in folder.iterdir()) == ["b", "d", "link"]
            with pytest.raises(FileNotFoundError):
                (folder / "a").read_bytes()
            with pytest.raises(OSError, match="not empty"):
                (folder / "d").rmdir()
    except Unmountable as error:
        pytest.skip(str(error))
    assert (folder / "d/hard").read_bytes() == b"12367" and (folder / "b").stat().st_nlink == 2


@pytest.mark.long
def test_a_state_folder_that_hangs_stops_the_work_not_the_serving(
    make_daemon: Callable[..., Daemon], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The servers that run answer all the while, and systemd would not end the service; what waits is done when it goes
    on."""
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(str(tmp_path / "notify"))
    systemd.settimeout(WATCHDOG_S)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG_S * 1e6)))
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    daemon = make_daemon(FAST)
    under = mounts(daemon.folder)
    try:
        daemon.start()
        drop(rows(1), daemon.data / "a.csv")
        version = daemon.wait("model_swapped")["version"]
        since, begun_s, slowest_s = len(daemon.events), time.monotonic(), 0.0
        assert under.hang("state", HANGS_S)
        drop(rows(2, 60), daemon.data / "b.csv")
        while time.monotonic() - begun_s < HANGS_S - 20:
            asked_s = time.monotonic()
            answer = daemon.predict()
            slowest_s = max(slowest_s, time.monotonic() - asked_s)
            assert answer.status_code == 200 and answer.json()["version"] == version, daemon.tail()
        assert next(daemon.seen("state_hung", since=since))
        _pinged(systemd)
        assert slowest_s < HANGS_S / 2
        daemon.wait("file_accepted", since=since, file="b.csv")
        daemon.wait("state_answered", since=since)
        assert not list(daemon.seen("server_died", since=since))
    finally:
        daemon.close()
        under.close()
        systemd.close()


def _pinged(systemd: socket.socket) -> None:
    """Drop what came before, which is more than a hanging service sends, and wait for one more ping."""
    systemd.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            systemd.recv(4096)
    systemd.settimeout(WATCHDOG_S)
    while b"WATCHDOG=1" not in systemd.recv(4096):
        pass


@pytest.mark.long
def test_a_data_folder_that_hangs_is_its_own_models_trouble(make_daemon: Callable[..., Daemon]) -> None:
    """Another model's file is taken meanwhile, the answers go on, and the file that was begun is taken afterwards."""
    daemon = make_daemon(FAST)
    daemon.config.write_text(daemon.config.read_text() + TWO + FAST.replace("models.m.", "models.other."))
    (daemon.folder / "other").mkdir()
    under = mounts(daemon.folder)
    try:
        daemon.start()
        drop(rows(1), daemon.data / "a.csv")
        daemon.wait("model_swapped")
        since = len(daemon.events)
        drop(rows(2, 60), daemon.data / "b.csv")
        assert under.hang("data", HANGS_S)
        begun_s = time.monotonic()
        drop(rows(3, 60), daemon.folder / "other/c.csv")
        daemon.wait("file_accepted", since=since, model="other", file="c.csv")
        assert time.monotonic() - begun_s < HANGS_S and daemon.predict().status_code == 200
        wait_for(lambda: list(daemon.seen("file_accepted", since=since, file="b.csv")))
        assert not list(daemon.seen("server_died", since=since))
    finally:
        daemon.close()
        under.close()


@pytest.mark.long
def test_a_start_waits_for_no_data_folder_that_hangs(make_daemon: Callable[..., Daemon]) -> None:
    """What is promoted is served, the folder is told, and what lies in it is taken when it answers."""
    daemon = make_daemon(FAST)
    under = mounts(daemon.folder)
    try:
        daemon.start()
        drop(rows(1), daemon.data / "a.csv")
        daemon.wait("model_swapped")
        daemon.stop()
        drop(rows(2, 60), daemon.data / "b.csv")
        since = len(daemon.events)
        assert under.hang("data", 3 * HANGS_S)
        daemon.start()
        wait_for(lambda: daemon.predict().status_code == 200)
        daemon.wait("folder_hung", since=since)
        assert not list(daemon.seen("folder_answered", since=since))
        daemon.wait("file_accepted", since=since, file="b.csv", timeout_s=4 * HANGS_S)
    finally:
        daemon.close()
        under.close()


@pytest.mark.long
def test_a_reload_and_the_end_wait_for_no_data_folder_that_hangs(make_daemon: Callable[..., Daemon]) -> None:
    """Also where it is polled: what else the reload changes is applied, and the service ends."""
    daemon = make_daemon(FAST.replace("[models.m.intake]", '[models.m.intake]\nwatch = "polling"'))
    under = mounts(daemon.folder)
    try:
        daemon.start()
        drop(rows(1), daemon.data / "a.csv")
        daemon.wait("model_swapped")
        assert under.hang("data", 10 * HANGS_S)
        daemon.wait("folder_hung")
        daemon.config.write_text(daemon.config.read_text() + TWO)
        assert "other changed" in daemon.cli("reload").stdout
        drop(rows(3, 60), daemon.folder / "other/c.csv")
        daemon.wait("file_accepted", model="other")
        daemon.config.write_text(daemon.config.read_text().replace('watch = "polling"', 'watch = "events"'))
        assert "m changed" in daemon.cli("reload").stdout
        assert daemon.predict().status_code == 200 and daemon.stop() == 0
    finally:
        daemon.close()
        under.close()
