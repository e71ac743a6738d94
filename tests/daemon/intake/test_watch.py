"""A watch hints at paths on a real folder, and comes back after its folder went away."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import PATIENCE_S, wait_for

from daemon.intake.kernel_watch import INSTANCE
from daemon.intake.watch import FolderWatch
from retrain import durable


class Hints(list[str | None]):
    """What was hinted, by name."""

    def has(self, name: str) -> bool:
        """Whether a path of that name was hinted."""
        return any(path is not None and Path(path).name == name for path in self)


@pytest.fixture(params=["events", "polling"])
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[FolderWatch, Path, Hints]]:
    """A started watch on a folder, both ways of watching."""
    folder = tmp_path / "data"
    folder.mkdir()
    hints = Hints()
    watch = FolderWatch(folder, True, request.param == "polling", hints.append)
    assert watch.check()
    yield watch, folder, hints
    watch.stop()


def test_every_way_of_arriving_is_hinted(watched: tuple[FolderWatch, Path, Hints], tmp_path: Path) -> None:
    """A written, a moved and a linked file each give a hint."""
    _, folder, hints = watched
    (folder / "written").write_text("x")
    (tmp_path / "outside").write_text("x")
    (tmp_path / "outside").rename(folder / "moved")
    (tmp_path / "original").write_text("x")
    os.link(tmp_path / "original", folder / "linked")
    for name in ("written", "moved", "linked"):
        wait_for(lambda name=name: hints.has(name), what=f"a hint at {name}: {hints}")


def test_a_new_sub_folder_asks_for_a_look_at_everything(watched: tuple[FolderWatch, Path, Hints]) -> None:
    """Files in a fresh sub-folder may give no event, so the folder itself asks for a rescan."""
    _, folder, hints = watched
    (folder / "sub").mkdir()
    wait_for(lambda: None in hints, what="a hint at everything")


def test_a_deleted_and_recreated_folder_is_watched_again(watched: tuple[FolderWatch, Path, Hints]) -> None:
    """The emitter dies silently with its folder; the next check starts a new one."""
    watch, folder, hints = watched
    shutil.rmtree(folder)
    wait_for(lambda: not watch.check() or True)
    folder.mkdir()
    wait_for(watch.check, what="a restarted watch")
    (folder / "after").write_text("x")
    wait_for(lambda: hints.has("after"), what="a hint after the folder came back")


def test_a_symlinked_root_is_watched_at_its_real_path(tmp_path: Path) -> None:
    """A watch on a symbolic link alone would report nothing, and a moved link is followed."""
    first, second, link = tmp_path / "first", tmp_path / "second", tmp_path / "link"
    first.mkdir()
    second.mkdir()
    link.symlink_to(first)
    hints = Hints()
    watch = FolderWatch(link, True, False, hints.append)
    assert watch.check() and not watch.check()
    (first / "a").write_text("x")
    wait_for(lambda: hints.has("a"))
    link.unlink()
    link.symlink_to(second)
    assert watch.check()
    (second / "b").write_text("x")
    wait_for(lambda: hints.has("b"))
    watch.stop()


def test_a_hung_watch_owes_an_answer(watched: tuple[FolderWatch, Path, Hints]) -> None:
    """The thread that hands events on answers probes while it lives; once it hangs, its silence grows."""
    watch, folder, _ = watched
    assert watch.silent_s(time.monotonic()) == 0.0
    wait_for(lambda: watch.silent_s(time.monotonic()) == 0.0)
    free = threading.Event()
    durable.install_hook(lambda point: free.wait() if point == "watch.event" else None)
    try:
        (folder / "file").write_text("x")
        wait_for(lambda: watch.silent_s(time.monotonic()) > 0.3)
    finally:
        durable.install_hook(None)
        free.set()
    wait_for(lambda: watch.silent_s(time.monotonic()) == 0.0)


def test_a_watch_begun_anew_is_as_silent_as_the_thread(tmp_path: Path) -> None:
    """One thread gives all hints: a watch that is begun again after it hung, since a look found what it had not
    hinted at, and the watch of another folder owe an answer as well."""
    folders = [tmp_path / "hung", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    watch, other = (FolderWatch(folder, True, False, Hints().append) for folder in folders)
    assert watch.check() and other.check()
    free = threading.Event()
    durable.install_hook(lambda point: free.wait() if point == "watch.event" else None)
    try:
        (folders[0] / "file").write_text("x")
        wait_for(lambda: watch.silent_s(time.monotonic()) > 0.0)
        watch.stop()
        assert watch.check()
        wait_for(lambda: min(one.silent_s(time.monotonic()) for one in (watch, other)) > 0.3)
    finally:
        durable.install_hook(None)
        free.set()
    wait_for(lambda: watch.silent_s(time.monotonic()) == 0.0)
    watch.stop()
    other.stop()


def test_many_folders_take_one_instance_of_inotify(tmp_path: Path) -> None:
    """A system grants a user few; one that broke is replaced, and two watches of one folder end each for itself."""
    folders = [tmp_path / str(i) for i in range(20)]
    hints = [Hints() for _ in folders]
    watches = []
    for folder, told in zip(folders, hints, strict=True):
        folder.mkdir()
        watches.append(FolderWatch(folder, True, False, told.append))
    twice = FolderWatch(folders[0], True, False, Hints().append)
    before, threads = instances(), threading.active_count()
    assert all(watch.check() for watch in (*watches, twice))
    assert instances() - before <= 1 and threading.active_count() - threads <= 1
    twice.stop()
    INSTANCE.reader.stop()
    INSTANCE.reader.join(PATIENCE_S)
    assert all(watch.check() for watch in watches) and instances() - before <= 1
    for folder, told in zip(folders, hints, strict=True):
        (folder / "a").write_text("x")
        wait_for(lambda told=told: told.has("a"))
    for watch in watches:
        watch.stop()


def instances() -> int:
    """How many this process has."""
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum("inotify" in link for link in links)
