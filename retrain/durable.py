"""Every change to files goes through here: published whole or not at all, with named crash points.

A crash point is the name of a moment between two effects. Nothing happens there in production; the crash tests install
a hook that kills the process at a chosen one, or raises the OSError that the effect after a `before_` point could meet.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

Hook = Callable[[str], None]
Observer = Callable[[Path], None]
COPY_BYTES = 2**20
_hook: Hook | None = None
_observer: Observer | None = None


class ShortWrite(OSError):
    """A write of which a part got through: a disk that became full meanwhile."""

    def __init__(self) -> None:
        super().__init__(errno.ENOSPC, os.strerror(errno.ENOSPC))


def install_hook(hook: Hook | None) -> None:
    """Call `hook(point)` at every crash point from now on; None removes it."""
    global _hook  # noqa: PLW0603 - one process-wide hook is what a crash test needs
    _hook = hook


def observe(observer: Observer | None) -> None:
    """Call `observer(path)` in whichever thread each time this process published, renamed or removed a file or a folder
    (files within it are not told one by one); None ends it."""
    global _observer  # noqa: PLW0603 - one for the process, as the hook
    _observer = observer


def _changed(*paths: Path) -> None:
    if _observer is not None:
        for path in paths:
            _observer(path)


def hanger(where: str) -> Hook:
    """A hook that never returns from a point: its thread hangs there, which the watchdog must find."""

    def hook(point: str) -> None:
        if point == where:
            threading.Event().wait()

    return hook


def crash_point(name: str) -> None:
    """A named moment at which the process may die, or the next effect fail."""
    if _hook is not None:
        _hook(name)


def fsync_path(path: Path) -> None:
    """Make a file or a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path, point: str, parents: bool = True) -> None:
    """Have a folder, and those above it."""
    if not path.is_dir():
        crash_point(f"{point}.before_mkdir")
        path.mkdir(parents=parents, exist_ok=True)


def write_durably(file: IO[bytes], data: bytes, point: str) -> None:
    """Write to an open file, durable on return; after an OSError any part of the data may be in it."""
    try:
        crash_point(f"{point}.before_write")
    except ShortWrite:
        file.write(data[: len(data) // 2])
        file.flush()
        raise
    file.write(data)
    file.flush()
    crash_point(f"{point}.before_fsync")
    os.fsync(file.fileno())


def cut_back(file: IO[bytes], size: int, point: str) -> None:
    """Take from an open file what a failed write left behind its first `size` bytes, durable on return."""
    crash_point(f"{point}.before_truncate")
    os.ftruncate(file.fileno(), size)
    os.fsync(file.fileno())


def write_file(path: Path, data: bytes, point: str) -> None:
    """Write `data` to `path` whole or not at all, durable on return."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        write_durably(file, data, point)
    rename(temporary, path, point)


def replace_file(path: Path, data: bytes, point: str) -> None:
    """Write a file that is replaced now and then, whole or not at all, durable on return. One process writes it; the
    temporary name is always the same, so that what a killed process left is replaced by the next."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            write_durably(file, data, point)
        rename(temporary, path, point)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def set_time(path: Path, at: float, point: str) -> None:
    """Say of what moment (Unix seconds) a file is, by its time of modification."""
    crash_point(f"{point}.before_utime")
    os.utime(path, (at, at))


def publish_file(temporary: Path, final: Path, point: str) -> None:
    """Move a finished file of the same file system to its final name, durable on return."""
    crash_point(f"{point}.before_fsync")
    fsync_path(temporary)
    rename(temporary, final, point)


def rename(path: Path, final: Path, point: str) -> None:
    """Give a file or a folder another name on the same file system, durable on return."""
    crash_point(f"{point}.before_rename")
    path.replace(final)
    crash_point(f"{point}.before_folder_fsync")
    fsync_path(final.parent)
    _changed(path, final)
    crash_point(f"{point}.after_rename")


def copy_file(source: Path, target: Path, point: str) -> str:
    """Copy a file's bytes to a new file, durable on return; the SHA-256 of what was written."""
    digest = hashlib.sha256()
    crash_point(f"{point}.before_copy")
    with source.open("rb") as before, target.open("xb") as after:
        while chunk := before.read(COPY_BYTES):
            digest.update(chunk)
            after.write(chunk)
        after.flush()
        os.fsync(after.fileno())
    return digest.hexdigest()


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hold(source: Path, name: Path) -> None:
    """Give a file a second name, so that its removal does not remove its content; one that is gone is fine."""
    name.parent.mkdir(parents=True, exist_ok=True)
    crash_point("hold.before_link")
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        name.hardlink_to(source)


def move(source: Path, target: Path, point: str) -> None:
    """Give a file or folder another name on the same file system, durable on return; nothing is replaced."""
    if target.exists() or target.is_symlink():
        raise FileExistsError(f"{target} is there already")
    crash_point(f"{point}.before_rename")
    source.rename(target)
    fsync_path(source.parent)
    fsync_path(target.parent)
    crash_point(f"{point}.after_rename")


def publish_folder(staged: Path, final: Path, point: str) -> None:
    """Move a finished folder to its final name; a folder already there wins: it never changes."""
    crash_point(f"{point}.before_fsync")
    for entry in sorted(staged.rglob("*")):
        fsync_path(entry)
    fsync_path(staged)
    if final.exists():
        shutil.rmtree(staged)
        _changed(final)
        return
    rename(staged, final, point)


def link(target: str, path: Path, point: str) -> None:
    """Point the symbolic link `path` at `target`, replacing an older link in one step.

    The temporary name is always the same, so that what a killed process left is replaced by the next."""
    temporary = path.with_name(f".{path.name}.tmp")
    crash_point(f"{point}.before_link")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    rename(temporary, path, point)


def remove(path: Path, point: str) -> None:
    """Remove a file or a folder; one that is already gone is fine."""
    crash_point(f"{point}.before_remove")
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    _changed(path)
    crash_point(f"{point}.after_remove")
