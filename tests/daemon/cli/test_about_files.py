"""hold, release and forget find the model of a file where it is plain, and say what to name where it is not."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ledgers import new_ledger
from sqlalchemy import insert

from daemon.cli import app
from daemon.config.config import load_config
from daemon.ledger import commands, models
from daemon.ledger.tables import files

MODEL = '[models.{0}]\ndata_dir = "{1}"\ntask = "regression"\ntarget = "y"\n'
Ask = Callable[..., tuple[int, str, list[tuple[str, str]]]]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs a command where `late` and `cost` share a folder and `fraud` has its own; each has files. The status, what
    was printed, and the model and file of the commands that are queued."""
    monkeypatch.chdir(tmp_path)
    text = MODEL.format("late", "shared") + MODEL.format("cost", "shared") + MODEL.format("fraud", "own")
    (tmp_path / "config.toml").write_text(text)
    ledger = new_ledger(load_config(tmp_path / "config.toml").state_dir)
    known = [
        ("late", "both.csv"),
        ("cost", "both.csv"),
        ("cost", "one.csv"),
        ("fraud", "days/one.csv"),
        ("fraud", "f.csv"),
    ]
    with ledger.begin() as conn:
        for name in ("late", "cost", "fraud"):
            models.ensure(conn, name)
        for seq, (name, path) in enumerate(known):
            look = dict.fromkeys(("size", "mtime_ns", "ctime_ns", "inode"), 1)
            conn.execute(insert(files).values(model=name, path=path, state="accepted", seq=seq, at=1.0, **look))

    def run(*arguments: str) -> tuple[int, str, list[tuple[str, str]]]:
        status = app.run(list(arguments))
        with ledger.connect() as conn:
            queued = [(row.args["model"], row.args["file"]) for row in commands.queued(conn)]
        return status, capsys.readouterr().err, queued

    return run


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("own/new.csv", ("fraud", "new.csv")),
        ("./shared/../own/days/one.csv", ("fraud", "days/one.csv")),
        ("f.csv", ("fraud", "f.csv")),
        ("one.csv", ("cost", "one.csv")),
        ("shared/one.csv", ("cost", "one.csv")),
    ],
)
def test_the_model_of_a_file_is_found(ask: Ask, file: str, found: tuple[str, str]) -> None:
    """By the folder that it lies in, or as the only one that knows it."""
    assert ask("hold", file) == (0, "", [found])


def test_what_is_not_plain_is_to_be_named(ask: Ask) -> None:
    """A file that several models took, and one that none did."""
    for file in ("both.csv", "shared/both.csv"):
        status, told, queued = ask("release", file)
        assert (status, queued) == (2, []) and "late, cost all have a file" in told and "--model" in told
    status, told, queued = ask("forget", "nowhere.csv")
    assert (status, queued) == (2, []) and told.startswith("driftd: no model has a file 'nowhere.csv'; `driftd files")
    assert ask("hold", "shared/both.csv", "--model", "cost") == (0, "", [("cost", "both.csv")])
    status, told, _ = ask("hold", "both.csv", "--model", "lat")
    assert status == 2 and told.startswith("driftd: no model 'lat' in ") and "did you mean 'late'?" in told
