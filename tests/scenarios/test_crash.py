"""kill -9 where a trial begins and is decided, then restart: the same final state as without a kill.

All other steps are those of the story in tests/faults."""

import sqlite3
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest
from daemon_harness import Daemon, drop, rows
from helpers import wait_for

CONFIG = """\
[models.m.intake]
settle = "100ms"
[models.m.triggers]
first_rows = 300
cooldown = "100ms"
retry_after = "100ms"
max_attempts = 10
[models.m.adaptation]
archive = 1
recalibration = false
"""
ON_TRIAL = """\
[models.m.rollout]
strategy = "canary"
period = "500ms"
min_rows = 0
"""


def first(daemon: Daemon) -> None:
    """A file that becomes the first model."""
    drop(rows(1), daemon.data / "a.csv")


def second(daemon: Daemon) -> None:
    """A drifted file that retrains it; dropped once, whoever asks."""
    if not (daemon.data / "b.csv").exists():
        drop(rows(2, 1200, shift=2.0, flip=True), daemon.data / "b.csv")


def promoted_or_dead(daemon: Daemon) -> bool:
    """The first model is served, or the kill came before."""
    assert daemon.process is not None
    return daemon.process.poll() is not None or any(daemon.seen("model_swapped"))


def final_state(daemon: Daemon) -> dict[str, Any]:
    """What must not depend on kills: files, champion's content, cycles by outcome; no ids, times or attempts."""
    files = sorted(daemon.query("select sha256, state, rows from files"))
    states = sorted(daemon.query("select state from cycles"))
    ((open_cycles,),) = daemon.query("select count(*) from cycles where state in ('open', 'on_trial')")
    (promotions,) = daemon.query("select count(*), count(distinct cycle_id) from promotions")
    return {"files": files, "cycles": states, "open": open_cycles, "promotions": promotions}


def promotions(daemon: Daemon) -> int:
    """How many promotions are committed."""
    try:
        return int(daemon.query("select count(*) from promotions")[0][0])
    except sqlite3.OperationalError:
        return 0


def settled(daemon: Daemon) -> bool:
    """Both files taken, no open cycle, and the server answers with the last committed promotion."""
    ((taken,),) = daemon.query("select count(*) from files where state = 'accepted'")
    ((unfinished,),) = daemon.query("select count(*) from cycles where state in ('open', 'on_trial')")
    ((promoted,),) = daemon.query("select count(*) from promotions")
    ((seen,),) = daemon.query("select coalesce(max(up_to_seq), 0) from cycles")
    ((newest,),) = daemon.query("select coalesce(max(seq), 0) from files")
    if taken < 2 or unfinished or not promoted or seen < newest:
        return False
    current = (daemon.folder / "state/versions/m/current").readlink().name
    answer = daemon.predict()
    return answer.status_code == 200 and answer.json()["version"] == current


def check_invariants(daemon: Daemon) -> None:
    """Every file taken exactly once, no cycle promoted twice, nothing half-published."""
    state = final_state(daemon)
    assert [f[1] for f in state["files"]] == ["accepted", "accepted"], state
    assert state["open"] == 0
    assert state["promotions"][0] == state["promotions"][1], state
    hidden = list((daemon.folder / "state/versions").rglob(".*"))
    assert hidden == []


@pytest.mark.parametrize(
    "point", [pytest.param("control.trial_begun", marks=pytest.mark.long), "control.trial_decided"]
)
def test_a_kill_at_a_named_step_converges(point: str, make_daemon: Callable[..., Daemon]) -> None:
    """The control process killed at a named step and restarted reaches the state that no kill would give."""
    daemon = make_daemon(CONFIG + ON_TRIAL)
    daemon.start(crash_at=point, wait_ready=False)
    first(daemon)
    wait_for(lambda: promoted_or_dead(daemon), what=daemon.tail())
    assert daemon.process is not None
    if daemon.process.poll() is None:
        second(daemon)
    assert daemon.wait_dead() == -9, daemon.tail()
    daemon.start()
    if not (daemon.data / "b.csv").exists():
        wait_for(lambda: promotions(daemon) == 1, what="the first promotion")
        second(daemon)
    wait_for(lambda: _quiet(daemon), what="the final state")
    check_invariants(daemon)


@pytest.mark.parametrize("command", ["run", pytest.param("serve", marks=pytest.mark.long)])
def test_a_kill_between_a_promotion_and_its_description_leaves_what_is_promoted(
    command: str, make_daemon: Callable[..., Daemon]
) -> None:
    """Servers know of it by the description alone: the next start makes that first, and is ready when it is served."""
    daemon = make_daemon(CONFIG)
    daemon.plan("control promoted.before_write 1 1 KILL")
    first(daemon.start())
    assert daemon.wait_dead() == -9, daemon.tail()
    assert promotions(daemon) == 1 and not list(daemon.seen("model_swapped"))
    daemon.start(command=command)
    assert daemon.predict().status_code == 200


def _quiet(daemon: Daemon) -> bool:
    try:
        return settled(daemon)
    except (sqlite3.Error, OSError, httpx.HTTPError):
        return False


def test_a_kill_of_what_forks_workers_costs_an_attempt_at_most(make_daemon: Callable[..., Daemon]) -> None:
    """The trainer dies with it, and its stage is tried again by one of the next; what is served is not touched."""
    daemon = make_daemon(CONFIG).start()
    first(daemon)
    daemon.wait("model_swapped")
    daemon.wait("cycle_finished")
    assert daemon.process is not None
    family = psutil.Process(daemon.process.pid).children(recursive=True)
    (forks,) = (one for one in family if "daemon.runtime.worker.fork_server" in one.cmdline())
    since = len(daemon.events)
    daemon.json("retrain", "m")
    daemon.wait("stage_started", since=since)
    forks.kill()
    assert "signal 9" in daemon.wait("fork_failed", since=since)["reason"]
    daemon.wait("cycle_finished", since=since)
    assert daemon.predict().status_code == 200
    assert len(list(daemon.seen("fork_failed", since=since))) == 1 and not list(daemon.seen("server_died"))
