"""Commands about a folder on a dead mount answer, and name it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bare_model import BINARY, bare_model
from hanging_folder import HangingFolder

from daemon.cli import app
from daemon.config import patience
from daemon.ledger import models
from retrain.planning.planner import backlog_reason
from retrain.records.planner_state import PlannerState

OTHER = '[models.other]\ndata_dir = "other"\ntask = "regression"\ntarget = "y"\n'
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command while a folder hangs; the status and what was printed. The main thread never touched the folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(patience, "PATIENCE_S", 0.05)
    with bare_model(tmp_path, BINARY + OTHER) as made:
        with made.shared.ledger.begin() as conn:
            models.save_planner(conn, "m", PlannerState(), backlog_reason(1))

        def ask(hanging: str, *arguments: str) -> tuple[int, str]:
            folder = HangingFolder(tmp_path / hanging, monkeypatch)
            folder.hang()
            status = app.run(list(arguments))
            folder.answer()
            told = capsys.readouterr()
            assert threading.current_thread().name not in folder.threads
            return status, told.out + told.err

        yield ask


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(("status",), 0), (("files", "m"), 0), (("doctor",), 1)],
    ids=["status", "files", "doctor"],
)
def test_a_data_folder_that_hangs_is_named(run: Run, tmp_path: Path, arguments: tuple[str, ...], status: int) -> None:
    """And the rest is told."""
    found, told = run("data", *arguments)
    assert found == status and f"{tmp_path / 'data'} does not answer" in told


def test_a_file_of_another_folder_is_held_meanwhile(run: Run) -> None:
    """By its path, which is compared with all folders."""
    found, told = run("data", "hold", "other/a.csv", "--json")
    assert found == 0 and '"queued"' in told


@pytest.mark.parametrize("arguments", [("status",), ("doctor",)], ids=["status", "doctor"])
def test_a_state_folder_that_hangs_is_named(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Nothing else can be told then."""
    found, told = run("state", *arguments)
    assert found in (1, 3) and f"{tmp_path / 'state'} does not answer" in told
