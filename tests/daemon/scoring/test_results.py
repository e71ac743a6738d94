"""What lies in the folder of results is what the file of that name came to; without a service around it."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.csv
import pytest
from bare_scoring import Ended, dropped, logged, reason_of, score, scoring_model, states_of
from hanging_folder import HangingFolder
from sqlalchemy import delete

from daemon.intake import hanging
from daemon.ledger import promotions
from daemon.ledger.tables import scored
from daemon.reading.look import Look, look
from daemon.reading.operations import ScoreRequest
from daemon.runtime.context import ModelContext
from daemon.runtime.worker.process import WorkerError
from daemon.scoring.dropped import DroppedFiles
from daemon.scoring.files import jobs
from daemon.scoring.operation import score as scored_by_worker
from retrain import durable
from retrain.records.errors import Retry, WrongUse

pytestmark = pytest.mark.xdist_group("scoring_results")  # one model for all of them


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Iterator[ModelContext]:
    """A model with a champion."""
    with scoring_model(tmp_path_factory.mktemp("results")) as made:
        yield made


@pytest.fixture
def out(context) -> Path:
    """The folder of results."""
    return context.data_dir.parent / "out"


@pytest.fixture(scope="module")
def scoring(context) -> Iterator[Callable[..., None]]:
    """Scores until files are in these states, all in one event loop: the worker is begun once."""

    async def one(wanted: tuple[tuple[str, list[str]], ...]) -> None:
        await score(context, lambda: all(states_of(context, name) == states for name, states in wanted))

    with asyncio.Runner() as runner:
        yield lambda *wanted: runner.run(one(wanted))
        runner.run(context.shared.analyst.close())


def test_a_content_that_comes_back_gets_its_own_result(context, out, scoring):
    """Where another content had its name meanwhile, the result is made anew, also under another name."""
    for seed, states in ((1, ["scored"]), (2, ["scored"] * 2), (1, ["scored"] * 3)):
        first = dropped(context, "tonight.csv", seed)
        scoring(("tonight.csv", states))
        written = pyarrow.csv.read_csv(out / "tonight.csv").column("x").to_pylist()
        assert written == pyarrow.csv.read_csv(first).column("x").to_pylist()
    dropped(context, "other.csv", 2)
    dropped(context, "same.csv", 1)
    scoring(("other.csv", ["scored"]), ("same.csv", ["repeated"]))
    assert (out / "other.csv").exists() and not (out / "same.csv").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda path: path.write_text("u,v\n"), "it changed meanwhile"),
        (lambda path: path.write_bytes(path.read_bytes()), "it changed meanwhile"),
        (Path.unlink, "it vanished"),
    ],
)
@pytest.mark.parametrize("is_late", [False, True])
def test_what_is_scored_is_what_was_hashed(context, tmp_path, change, told, is_late):
    """A file that changes or vanishes after it was looked at, before its first row is read or after it, is neither
    scored nor refused: it is tried again."""
    (tmp_path / "in").mkdir()
    path = dropped(context, "moving.csv", 3).rename(tmp_path / "in" / "moving.csv")
    with context.shared.ledger.connect() as conn:
        champion = promotions.champion(conn, "m")
    seen = look(path, path.parent)
    assert champion is not None and isinstance(seen, Look)
    request = ScoreRequest(
        path=path, root=path.parent, seen=seen, name="moving.csv", out=tmp_path / "out", rejected=tmp_path / "rejected",
        work=tmp_path / "work", deployment=champion.deployment, versions=context.folders.versions, schema=None,
        settings=context.settings, now=0.0,
    )  # fmt: skip
    if not is_late:
        change(path)
    durable.install_hook(lambda point: change(path) if point == "score.answers.before_write" else None)
    try:
        with pytest.raises(Retry, match=told):
            scored_by_worker(request)
    finally:
        durable.install_hook(None)


def test_lists_and_receipts_of_other_origin_stay(context, out, scoring):
    """A file whose result, list or receipt would take the name of another's, or of what somebody put there, is refused;
    a folder of such a name is never removed."""
    for name in ("list.csv", "receipt.csv", "a.csv.rejects.jsonl", "a.csv.receipt.json"):
        dropped(context, name, 4)
    (out / "list.csv.rejects.jsonl").mkdir()
    (out / "list.csv.rejects.jsonl" / "mine").write_text("mine")
    (out / "receipt.csv.receipt.json").write_text("mine")
    named = "is what the list or the receipt of another result is called"
    told = {
        "list.csv": "out_dir has a list.csv.rejects.jsonl that is no result",
        "receipt.csv": "out_dir has a receipt.csv.receipt.json that is no result",
        "a.csv.rejects.jsonl": f"a.csv.rejects.jsonl {named}", "a.csv.receipt.json": f"a.csv.receipt.jsonl {named}",
    }  # fmt: skip
    scoring(*((name, ["refused"]) for name in told))
    for name, reason in told.items():
        assert reason in reason_of(context, name)
    assert (out / "list.csv.rejects.jsonl" / "mine").read_text() == "mine"
    assert (out / "receipt.csv.receipt.json").read_text() == "mine"


@pytest.mark.parametrize(("force", "told"), [(False, "is there already; --force"), (True, "is a folder")])
def test_the_command_keeps_lists_of_other_origin(tmp_path, force, told):
    """Without `--force` a list that is there is not replaced, a folder never; no result is called as a list is."""
    rejects = tmp_path / "o.csv.rejects.jsonl"
    rejects.mkdir() if force else rejects.write_text("mine")
    with pytest.raises(WrongUse, match=told):
        jobs([tmp_path / "a.csv"], tmp_path / "o.csv", force)
    with pytest.raises(WrongUse, match="is called as the list of another"):
        jobs([tmp_path / "a.csv"], tmp_path / "b.csv.rejects.jsonl", force)


def test_a_result_that_is_taken_away_at_once_was_made_once(context, out, scoring):
    """Though the service is killed before it is noted; and what is scored again, as its result was removed, is not
    logged again."""

    def take(point: str) -> None:
        if point == "scoring.result.after_rename":
            (out / "taken.csv").unlink()
            raise Ended

    before = logged(context)
    path = dropped(context, "taken.csv", 5)
    durable.install_hook(take)
    try:
        scoring(("taken.csv", ["made", "never"]))
    finally:
        durable.install_hook(None)
    assert states_of(context, "taken.csv") == ["made"]
    scoring(("taken.csv", ["scored"]))
    assert (out / "taken.csv.receipt.json").exists() and not (out / "taken.csv").exists()
    assert logged(context) == before + 30
    path.touch()
    scoring(("taken.csv", ["scored", "scored"]))
    assert (out / "taken.csv").exists()
    assert logged(context) == before + 30


def test_a_result_that_cannot_be_given_its_name_keeps_no_other_from_theirs(context, out, scoring):
    """It waits, by itself, until it can be."""

    def end(point: str) -> None:
        if point == "scoring.committed":
            raise Ended

    dropped(context, "stuck.csv", 6)
    durable.install_hook(end)
    try:
        scoring(("stuck.csv", ["never"]))
    finally:
        durable.install_hook(None)
    (out / "stuck.csv").mkdir()
    dropped(context, "free.csv", 7)
    scoring(("stuck.csv", ["made"]), ("free.csv", ["scored"]))
    (out / "stuck.csv").rmdir()
    scoring(("stuck.csv", ["scored"]))
    assert pyarrow.csv.read_csv(out / "stuck.csv").num_rows == 60


def test_what_nobody_thought_of_keeps_no_other_file_waiting(context, out, scoring):
    """The file is tried again, the next one is scored."""

    def fail(point: str) -> None:
        if point == "scoring.begun":
            durable.install_hook(None)
            raise RuntimeError("nobody thought of this")

    dropped(context, "a-odd.csv", 8)
    dropped(context, "b-plain.csv", 9)
    durable.install_hook(fail)
    scoring(("b-plain.csv", ["scored"]))
    assert states_of(context, "a-odd.csv") == ["begun"]
    scoring(("a-odd.csv", ["scored"]))


def test_a_refused_file_leaves_nothing_and_what_others_write_stays(context, out, scoring):
    """A name that is too long for the names of what is made of it is refused, too."""
    (out / ".theirs.csv.tmp").write_text("half")
    long = "n" * 233 + ".csv"
    dropped(context, long, 10)
    (context.data_dir.parent / "in" / "lacks.csv").write_text("x\n1\n")
    scoring((long, ["refused"]), ("lacks.csv", ["refused"]))
    assert "its name is too long" in reason_of(context, long)
    assert [path.name for path in out.glob(".*")] == [".theirs.csv.tmp"]
    (out / ".theirs.csv.tmp").unlink()


def test_a_result_that_only_its_receipt_knows_is_made_anew(context, out, scoring):
    """As after the ledger was restored from a backup; one that was changed since stays."""
    for name in ("known.csv", "changed.csv"):
        dropped(context, name, 11 + len(name))
    scoring(("known.csv", ["scored"]), ("changed.csv", ["scored"]))
    with context.shared.ledger.begin() as conn:
        conn.execute(delete(scored).where(scored.c.path.in_(("known.csv", "changed.csv"))))
    (out / "changed.csv").write_text("mine")
    scoring(("known.csv", ["scored"]), ("changed.csv", ["refused"]))
    assert (out / "changed.csv").read_text() == "mine"


def test_a_worker_that_hangs_on_the_folder_of_results_is_no_refusal(context, out, monkeypatch):
    """The folder that does not answer is named, and the event loop never touches it."""
    gate, statvfs = threading.Event(), os.statvfs
    monkeypatch.setattr(hanging, "HUNG_S", 0.05)
    monkeypatch.setattr(os, "statvfs", lambda path: statvfs(path) if "in" in Path(path).parts else gate.wait())

    async def late() -> None:
        raise WorkerError("late", "score took longer than 1 s")

    folder = HangingFolder(out, monkeypatch)
    asyncio.run(DroppedFiles(context)._refuse_taken("new.csv", "new.csv"))
    assert folder.threads and threading.current_thread().name not in folder.threads
    try:
        with pytest.raises(hanging.FolderHung, match=f"{out} does not answer"):
            asyncio.run(DroppedFiles(context)._asked(late()))
    finally:
        gate.set()
