"""How many files wait to be taken in: each counts once, and as the folder is now."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bare_model import bare_model

from daemon.intake.files import Intake
from daemon.intake.taking import Taken, Taking
from daemon.ledger import files, models
from daemon.reading.look import look
from daemon.reports.status import overview
from daemon.runtime.context import ModelContext
from retrain.planning.planner import backlog_reason
from retrain.records.planner_state import PlannerState

CONFIG = """\
[models.m]
data_dir = "d"
task = "classification"
target = "y"
[models.m.intake]
settle = "1s"
"""


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ModelContext]:
    """A model whose folder has three files, one that is none, and one that is hidden; no service."""
    with bare_model(tmp_path, CONFIG) as made:
        for name in ("a.csv", "b.csv", "c.csv", "notes.txt", ".hidden.csv"):
            (made.data_dir / name).write_text(name)
        (made.data_dir / "broken.csv").symlink_to("nowhere")
        yield made


def refused(context: ModelContext, name: str) -> None:
    """A file is dealt with."""
    seen = look(context.data_dir / name)
    with context.shared.ledger.begin() as conn:
        files.record_refused(conn, "m", name, seen, "empty", 0.0)  # type: ignore[arg-type]


def said(context: ModelContext) -> str:
    """What `driftd status` says is waited for."""
    return str(overview(context.shared.config, context.shared.ledger)["models"]["m"]["waits_for"])


def told(context: ModelContext, reason: str) -> None:
    """The service's last decision."""
    with context.shared.ledger.begin() as conn:
        models.save_planner(conn, "m", PlannerState(), reason)


def test_a_file_that_is_being_taken_in_counts_once(context: ModelContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its notice to the ledger: those that settle, and those whose turn comes."""
    intake, counted = Intake(context), []

    async def take(_context: ModelContext, taking: Taking) -> Taken:
        counted.append(intake.waiting())
        refused(context, taking.path)
        return Taken.REFUSED

    monkeypatch.setattr("daemon.intake.files.take_file", take)
    asyncio.run(intake._rescan())
    later_s = time.monotonic() + 1.5
    monkeypatch.setattr("daemon.intake.files.time.monotonic", lambda: later_s)
    asyncio.run(intake._take_all(asyncio.run(intake._settled())))
    assert counted == [3, 2, 1] and intake.waiting() == 0


def test_files_that_are_noticed_together_settle_in_the_order_of_their_names(context: ModelContext) -> None:
    """A folder lists them in any order, and who was looked at first is taken first where the others settle later."""
    names = [f"{n:02}.csv" for n in range(40)]
    for name in reversed(names):
        (context.data_dir / name).write_text(name)
    scanned, hinted = Intake(context), Intake(context)
    asyncio.run(scanned._rescan())
    hinted._hinted.update(str(context.data_dir / name) for name in names)
    asyncio.run(hinted._notice_hinted())
    for intake in (scanned, hinted):
        found = sorted(intake.pending, key=lambda path: intake.pending[path].due_s)
        assert [path for path in found if path in names] == names


def test_status_counts_the_files_that_wait_when_it_is_asked(context: ModelContext) -> None:
    """Not when the service decided last: it may be stopped, or busy. A file that was changed waits again."""
    told(context, backlog_reason(1870))
    assert said(context) == "3 files are still to be taken in"
    for name in ("a.csv", "b.csv", "c.csv"):
        refused(context, name)
    assert said(context) == "all files are taken in: the service decides at its next turn"
    (context.data_dir / "b.csv").write_text("changed")
    assert said(context) == "1 file is still to be taken in"


def test_status_says_what_the_service_said_where_it_cannot_count(context: ModelContext) -> None:
    """Another reason, or a folder that is not there for this user."""
    told(context, "paused by hand")
    assert said(context) == "paused by hand"
    told(context, backlog_reason(1870))
    context.data_dir.rename(context.data_dir.with_name("elsewhere"))
    assert said(context) == "1,870 files are still to be taken in"
