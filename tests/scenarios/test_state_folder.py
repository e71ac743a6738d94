"""The state of a running daemon: backed up and restored by the command line, and what happens while it is gone."""

import json
import shutil
import signal
from collections.abc import Callable

from daemon_harness import FAST, Daemon, drop, rows
from helpers import wait_for


def test_backup_of_a_running_daemon_and_restore(make_serving: Callable[[str], Daemon]) -> None:
    """The restored daemon serves the same version, knows the same files, and takes in what came after the backup."""
    daemon = make_serving(FAST)
    version = daemon.wait("model_swapped")["version"]
    target = daemon.folder / "backups"
    made = json.loads(daemon.cli("backup", str(target), "--keep", "2", "--json").stdout)
    assert made["missing"] == [] and made["lost"] == [] and made["files"] > 5
    drop(rows(2, 60), daemon.data / "b.csv")
    daemon.wait("file_accepted", file="b.csv")
    refused = daemon.cli("restore", str(target), check=False)
    assert refused.returncode == 1 and "another driftd" in refused.stderr
    daemon.stop()
    (daemon.folder / "state/ledger.sqlite").write_bytes(b"garbage" * 1000)
    broken = daemon.cli("run", check=False)
    assert broken.returncode == 1 and "`driftd restore DIR`" in broken.stderr
    assert "delete it once all is well" in daemon.cli("restore", str(target)).stdout
    since = len(daemon.events)
    daemon.start()
    assert daemon.predict().json()["version"] == version
    daemon.wait("file_accepted", since=since, file="b.csv")
    assert [f["path"] for f in daemon.json("files", "m")] == ["a.csv", "b.csv"]


def test_a_lost_state_folder_is_told_and_survived(make_serving: Callable[[str], Daemon]) -> None:
    """It serves on from memory, takes nothing in, and goes on when the folder is back; another ledger ends it."""
    daemon = make_serving(FAST)
    state, away = daemon.folder / "state", daemon.folder / "away"
    state.rename(away)
    daemon.wait("state_lost")
    drop(rows(2, 60), daemon.data / "b.csv")
    assert daemon.predict().status_code == 200
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    assert "state folder is lost" in daemon.wait("config_refused")["reason"]
    assert not state.exists()
    away.rename(state)
    daemon.wait("state_back")
    daemon.wait("file_accepted", file="b.csv")
    assert any(daemon.seen("state_lost")) and daemon.predict().status_code == 200
    copy = daemon.folder / "copy.sqlite"
    shutil.copy(state / "ledger.sqlite", copy)
    copy.replace(state / "ledger.sqlite")
    assert daemon.wait_dead() == 1
    assert "another file" in next(daemon.seen("service_failed"))["error"]
    wait_for(lambda: any(daemon.seen("service_stopped")))
