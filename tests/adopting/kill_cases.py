"""Adoptions that are killed at each of their steps: run by `test_adopting.py` in a process that has pandas."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import local_http
import pytest
from adopting.adopt_cases import drop, requested, service
from adopting.pipelines import INPUTS, frame, written
from daemon_harness import Daemon
from helpers import wait_for
from ledgers import place_ledger

pytestmark = pytest.mark.long
POINTS = (
    "control control.cycle_opened 1", "control control.stage_started 2", "trainer train.preprocessor.before_rename 1",
    "trainer train.model.before_write 1", "trainer train.model.before_rename 1", "trainer evaluate.probe.before_rename 1",
    "control control.stage_committed 3", "trainer promote.publish.before_rename 1",
    "trainer promote.publish.after_rename 1", "control control.stage_committed 4",
)  # fmt: skip
"""Role, step and passing at which one process of the service dies, one after the other."""
BROUGHT = (
    "adopt.model.before_copy", "adopt.about.before_write", "adopt.about.before_rename", "adopt.publish.before_fsync",
    "adopt.publish.before_rename", "adopt.publish.after_rename",
)  # fmt: skip
PATIENT = """
[models.linear.triggers]
retry_after = "100ms"
max_attempts = 20
"""
KILLED = """
import os, signal, sys
from retrain import durable
def hook(point):
    if point == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
durable.install_hook(hook)
from daemon.cli.app import run
sys.exit(run(sys.argv[2:]))
"""


def outcome(folder: Path) -> dict[str, Any]:
    """What must not depend on kills: cycles by how they ended, versions and promotions, what is still to be done."""
    with sqlite3.connect(folder / "state" / "ledger.sqlite") as ledger:
        cycles = ledger.execute("select state, json_extract(\"trigger\", '$.kind') from cycles").fetchall()
        digests = ledger.execute("select digest from versions").fetchall()
        promoted = ledger.execute("select kind from promotions").fetchall()
        due = ledger.execute("select count(*) from due where done_at is null").fetchone()
    versions = sorted(path.name for path in (folder / "state" / "versions" / "linear").glob("v*"))
    return {"cycles": cycles, "digests": digests, "promoted": promoted, "due": due, "versions": versions}


def adopted(folder: Path, *faults: str) -> dict[str, Any]:
    """What an adoption comes to that is killed at these steps, the service begun again each time it died."""
    folder.mkdir()
    made = service(folder, "linear", more=PATIENT)
    own = written("linear", folder / "model.skops")
    drop(frame(1), folder / "linear", "a.csv")
    made.plan(*(f"{one} 1 KILL" for one in faults))
    try:
        made.start(wait_ready=False)
        made.wait("service_ready")
        made.cli("pause", "linear")
        made.wait("file_accepted")
        made.cli("adopt", "linear", str(folder / "model.skops"))
        made.cli("resume", "linear", check=False)
        wait_for(lambda: again(made) and any(made.seen("model_swapped")), what="the pipeline to be served")
        rows = frame(3, 5)
        told = local_http.post(f"{made.url}/models/linear/predict", json={"rows": requested(rows)}).json()
        assert told["predictions"] == own.predict(rows[INPUTS]).tolist()
        happened = (made.folder / "faults" / "happened").read_text().splitlines() if faults else []
        assert len(happened) == len(faults), (happened, faults)
    finally:
        made.close()
    return outcome(folder)


def again(made: Daemon) -> bool:
    """True; the service was begun again if it had died."""
    assert made.process is not None
    if made.process.poll() is not None:
        made.start(wait_ready=False)
    return True


def test_kills_at_any_step_of_the_service_leave_the_same_end(tmp_path):
    """Control and trainer die at ten steps of one adoption, one after the other: one version, one promotion, the same
    content as without, and nothing left to do."""
    plain = adopted(tmp_path / "plain")
    assert plain["cycles"] == [("promoted", "adopt")] and plain["due"] == (0,)
    assert adopted(tmp_path / "killed", *POINTS) == plain


@pytest.mark.parametrize("point", BROUGHT)
def test_a_command_that_is_killed_brings_all_or_nothing(tmp_path, point):
    """`driftd adopt` dies at a step before its command is in the ledger: nothing is asked for, and asked again it is
    brought as if nothing had been."""
    made = service(tmp_path, "linear")
    place_ledger(tmp_path / "state")
    written("linear", tmp_path / "model.skops")
    words = ["-c", str(made.config), "adopt", "linear", str(tmp_path / "model.skops")]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, point, *words], env=os.environ, capture_output=True, check=False
    )
    assert done.returncode == -9, done.stderr
    commands = "select name from commands"
    with sqlite3.connect(tmp_path / "state" / "ledger.sqlite") as ledger:
        assert ledger.execute(commands).fetchall() == []
    assert "kept in the ledger" in made.cli(*words[2:]).stdout
    with sqlite3.connect(tmp_path / "state" / "ledger.sqlite") as ledger:
        assert ledger.execute(commands).fetchall() == [("adopt",)]
    brought = [one for one in (tmp_path / "state" / "adopted" / "linear").iterdir() if not one.name.startswith(".")]
    assert len(brought) == 1 and (brought[0] / "model.skops").read_bytes() == (tmp_path / "model.skops").read_bytes()
