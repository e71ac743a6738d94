"""A data folder that hangs keeps neither the event loop nor the end of an intake, and an ended intake stays so."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bare_model import BINARY, bare_model
from hanging_folder import HangingFolder
from helpers import until, wait_for
from watchdog.observers import polling

from daemon.intake.files import Intake
from daemon.intake.taking import Taken, Taking
from daemon.intake.watch import FolderWatch, Source
from daemon.runtime.context import ModelContext
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
    assert watch.check() and hanging.wait(60)
    (tmp_path / "data").unlink()
    (tmp_path / "data").symlink_to("new")
    again = threading.Thread(target=lambda: watch.check() and watch.end(), daemon=True)
    again.start()
    again.join(60)
    assert not again.is_alive() and not watch.watches
