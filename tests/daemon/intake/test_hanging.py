"""A data folder that hangs keeps neither the event loop nor the end of an intake, and an ended intake stays so."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bare_model import BINARY, bare_model
from hanging_folder import HangingFolder
from helpers import PATIENCE_S, until, wait_for
from watchdog.observers import polling

from daemon.intake import hanging
from daemon.intake.files import Intake
from daemon.intake.take_in import take_file
from daemon.intake.taking import Taken, Taking
from daemon.intake.watch import FolderWatch, Source
from daemon.ledger import files
from daemon.reading.look import Look, look
from daemon.reading.operations import DigestRequest, DigestResult
from daemon.runtime.context import ModelContext
from daemon.runtime.worker.operations import WarmRequest
from daemon.runtime.worker.process import WorkerError
from retrain import durable

QUICK = f"""\
{BINARY}
[models.m.intake]
settle = "10ms"
"""


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ModelContext]:
    """A model with a file; no service."""
    with bare_model(tmp_path, QUICK) as made:
        (made.data_dir / "a.csv").write_text("a")
        yield made


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opens at the end at the latest."""
    made = threading.Event()
    yield made
    made.set()


async def cancelled(task: "asyncio.Task[None]") -> None:
    """End a task, as a keeper does."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_the_event_loop_never_touches_the_data_folder(context: ModelContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the start of an intake to its end: what a scan and a hint find, what settles, and the watch."""
    folder, taken = HangingFolder(context.data_dir, monkeypatch), list[str]()

    async def take(_context: ModelContext, taking: Taking) -> Taken:  # the analyst's part
        taken.append(taking.path)
        return Taken.ACCEPTED

    async def story() -> None:
        running = asyncio.create_task(Intake(context).run())
        await until(lambda: taken == ["a.csv"])
        await asyncio.to_thread((context.data_dir / "b.csv").write_text, "b")
        await until(lambda: taken == ["a.csv", "b.csv"])
        await cancelled(running)

    monkeypatch.setattr("daemon.intake.files.take_file", take)
    asyncio.run(story())
    assert folder.threads and threading.current_thread().name not in folder.threads


def test_a_watch_that_was_about_to_begin_ends_with_its_intake(
    context: ModelContext, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder hung meanwhile: when it answers, nothing is watched for an intake that is gone."""
    made, waiting, make = list[Source](), threading.Event(), FolderWatch._make

    def kept(watch: FolderWatch, folder: str) -> Source:
        made.append(make(watch, folder))
        return made[-1]

    def hang(point: str) -> None:
        if point == "watch.before_start":
            waiting.set()
            gate.wait()

    async def story() -> None:
        running = asyncio.create_task(Intake(context).run())
        await until(waiting.is_set)
        await cancelled(running)

    monkeypatch.setattr(FolderWatch, "_make", kept)
    durable.install_hook(hang)
    try:
        asyncio.run(story())
    finally:
        durable.install_hook(None)
        gate.set()
    wait_for(lambda: made and not made[0].is_alive())


def test_nobody_waits_for_a_poller_that_hangs(
    tmp_path: Path, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither who ends its watch, nor one of another folder that came in the place of the hanging one."""
    hanging, snapshot = threading.Event(), polling.DirectorySnapshot

    def hang(path: str, **named: object) -> polling.DirectorySnapshot:
        if path == str(tmp_path / "dead") and threading.current_thread() is not threading.main_thread():
            hanging.set()
            gate.wait()
        return snapshot(path, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(polling, "DirectorySnapshot", hang)
    monkeypatch.setattr("daemon.intake.watch.POLLING_INTERVAL_S", 0.01)
    for name in ("dead", "new"):
        (tmp_path / name).mkdir()
    (tmp_path / "data").symlink_to("dead")
    watch = FolderWatch(tmp_path / "data", True, True, lambda _path: None)
    assert watch.check() and hanging.wait(PATIENCE_S)
    (tmp_path / "data").unlink()
    (tmp_path / "data").symlink_to("new")
    again = threading.Thread(target=lambda: watch.check() and watch.end(), daemon=True)
    again.start()
    again.join(PATIENCE_S)
    assert not again.is_alive() and not watch.watches


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of what is read is asked at once, and hangs soon."""
    monkeypatch.setattr(hanging, "LOOK_S", 0.01)
    monkeypatch.setattr(hanging, "HUNG_S", 0.05)


def settled(context: ModelContext, name: str) -> Taking:
    """A file that is to be taken in."""
    seen = look(context.data_dir / name)
    return Taking(name, seen if isinstance(seen, Look) else Look(0, 0, 0, 0))


def test_an_analyst_that_reads_from_a_folder_that_hangs_is_free_for_others(
    context: ModelContext, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is ended, the next one answers, and nothing is held against the file."""
    folder = HangingFolder(context.data_dir, monkeypatch)
    os.mkfifo(context.data_dir / "stuck.csv")  # nobody ever writes into it
    folder.hang()

    async def story() -> Taken:
        analyst = context.shared.analyst
        try:
            outcome = await take_file(context, Taking("stuck.csv", Look(0, 0, 0, 0)))
            await analyst.call(WarmRequest(modules=()))
        finally:
            await analyst.close()
        return outcome

    assert asyncio.run(story()) is Taken.HUNG
    folder.answer()
    with context.shared.ledger.connect() as conn:
        assert not files.listed(conn, "m") and not context.deaths


@pytest.mark.parametrize("hangs", [True, False])
def test_a_read_that_is_late_is_refused_only_if_its_folder_answers(
    context: ModelContext, soon: None, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    """Else it is read again when the folder answers: the file is not at fault."""
    folder, taking = HangingFolder(context.data_dir, monkeypatch), settled(context, "a.csv")

    class Late:
        """An analyst to whom reading takes too long."""

        async def call(self, request: Any, _most_s: float | None = None, _limit: str = "") -> DigestResult:
            if isinstance(request, DigestRequest):
                return DigestResult(sha256="0", writing="")
            raise WorkerError("late", "take took longer than 1 s (limits.read_time) and was stopped")

    monkeypatch.setattr(context.shared, "analyst", Late())
    if hangs:
        folder.hang()
    assert asyncio.run(take_file(context, taking)) is (Taken.HUNG if hangs else Taken.REFUSED)
    folder.answer()


def test_after_a_file_whose_folder_hangs_none_of_it_is_begun(
    context: ModelContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next look waits for the folder; then the files are taken as ever."""
    outcomes, taken = [Taken.HUNG, *[Taken.ACCEPTED] * 2], list[str]()

    async def take(_context: ModelContext, taking: Taking) -> Taken:  # the analyst's part
        taken.append(taking.path)
        return outcomes[len(taken) - 1]

    monkeypatch.setattr("daemon.intake.files.take_file", take)
    monkeypatch.setattr("daemon.intake.files.FAILURE_RETRY_S", 0.0)
    (context.data_dir / "b.csv").write_text("b")
    intake = Intake(context)

    async def story() -> None:
        await intake._take_all([(name, settled(context, name).seen) for name in ("a.csv", "b.csv")])
        assert taken == ["a.csv"] and not intake.taking
        running = asyncio.create_task(intake.run())
        await until(lambda: len(taken) == 3)
        await cancelled(running)

    asyncio.run(story())
    assert sorted(taken[1:]) == ["a.csv", "b.csv"]
