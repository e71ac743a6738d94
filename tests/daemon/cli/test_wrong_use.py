"""What a newcomer gets wrong is told with the command's name, the file, the cause and the way out, in words of people."""

import os
from pathlib import Path

import pytest

from daemon.cli import app

CONFIG = '[models.flights]\ndata_dir = "data"\ntask = "classification"\ntarget = "late"\n'


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs a command beside a small file, an empty one and a configuration of one model; the status, and what it says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.csv").write_text("amount,kind,note\n1,x,p\n2,y,q\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "one.toml").write_text(CONFIG)

    def run(*arguments: str) -> tuple[int, str]:
        status = app.run(list(arguments))
        return status, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("init d.csv --target nota", 2, "driftd: d.csv: target 'nota' is no column; did you mean 'note'? the file has"),
        (
            "replay d.csv --target nota",
            2,
            "driftd: d.csv: target 'nota' is no column; did you mean 'note'? the file has",
        ),
        ("init d.csv --target kind --task regression", 2, "'kind' has values that are no numbers"),
        ("init empty.csv --target kind", 3, "driftd: empty.csv: the file is empty"),
        ("replay empty.csv --target kind", 3, "driftd: empty.csv: the file is empty"),
        ("init gone.csv --target kind", 3, "driftd: gone.csv: no such file"),
        ("-c one.toml files flight", 2, "one.toml; did you mean 'flights'?"),
        ("-c one.toml replay d.csv --model flight", 2, "driftd: no model 'flight' in "),
        ("-c one.toml status", 3, "driftd: the service has not run yet"),
        ("-c one.toml history -n few", 2, "Invalid value for '--last' / '-n': expected a whole number\n"),
        ("compare d.csv d.csv --alpha 3", 2, "Invalid value for '--alpha': expected at most 0.5\n"),
        (
            "init d.csv --target kind --task guess",
            2,
            "driftd: --task is 'guess'; expected classification or regression",
        ),
    ],
)
def test_wrong_use_is_told(told, command, status, words):
    """The status says whose mistake it was."""
    found = told(*command.split())
    assert found[0] == status and words in found[1], found
    assert "Input should" not in found[1] and "Traceback" not in found[1]


def test_a_replay_uses_one_thread_unless_told_otherwise(told, monkeypatch: pytest.MonkeyPatch):
    """As the daemon's workers do: on a busy machine threads that wait for each other cost many times what they save."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    told("replay", "empty.csv", "--target", "kind")
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"]) == ("1", "2")
