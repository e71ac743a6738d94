"""A service whose window is larger than what its training may hold: it trains on a sample and says so, and a kill in
the middle leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path

from daemon_harness import FAST, Daemon, drop, rows
from helpers import wait_for

SMALL = FAST + '[models.m.limits]\ntrain_data = "20kB"\n[models.m.window]\nkind = "all"\n'


def test_a_large_window_is_trained_on_a_sample_and_said_so(make_daemon: Callable[..., Daemon]) -> None:
    """From partitioned files to a promotion; `status`, `versions`, `explain` and the card say of what."""
    daemon = make_daemon(SMALL).start()
    drop(rows(1, 3000), daemon.data / "a.parquet")
    first = daemon.wait("version_promoted")
    drop(rows(2, 3000, shift=2.0, flip=True), daemon.data / "b.parquet")
    second = daemon.wait("version_promoted", since=daemon.events.index(first) + 1)
    learned = daemon.json("status")["models"]["m"]["champion"]["learned"]
    assert learned.startswith("trained on a sample of 1,000 of ") and "stratified by class and file; seed" in learned
    assert learned in daemon.cli("status").stdout
    assert learned in daemon.cli("versions", "m").stdout
    assert learned in daemon.cli("explain", str(second["cycle_id"])).stdout
    newest = daemon.json("versions", "m")[-1]
    assert newest["learned"] == learned and newest["train_rows"] == 1000
    assert learned in (Path(newest["path"]) / "card.md").read_text()
    assert daemon.stop() == 0


def test_a_kill_while_it_is_prepared_leaves_nothing_behind(make_daemon: Callable[..., Daemon]) -> None:
    """Killed between both readings, the cycle begins its stage anew, ends well, and its work goes."""
    daemon = make_daemon(SMALL)
    daemon.plan("trainer prepare.whole.before_write 1 1 KILL")
    daemon.start()
    drop(rows(1, 3000), daemon.data / "a.parquet")
    daemon.wait("stage_failed", stage="prepare")
    daemon.wait("version_promoted")
    wait_for(lambda: not list((daemon.folder / "state" / "work" / "cycles").glob("*/*")))
    assert daemon.stop() == 0
