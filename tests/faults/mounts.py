"""What the folders of a telling lie on, where its faults need it: a mount that can hang, a disk that can be full."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

HANGS, FILLS = "HANG", ("INODES", "FULL")
DISK = "size=512m,nr_inodes=3000"
MIRROR = Path(__file__).with_name("mirror.py")
FUSE = Path("/dev/fuse")


class Unmountable(Exception):
    """This machine allows no such mount; says why."""


class Mounts:
    """The mounts of one telling, of its state and data folders; `need` are the kinds of its faults."""

    def __init__(self, folder: Path, need: set[str]) -> None:
        self._folder, self._stack = folder, contextlib.ExitStack()
        self._servers: dict[str, subprocess.Popen[str]] = {}
        self._disk: Path | None = None
        try:
            if need & set(FILLS):
                self._disk = self._stack.enter_context(disk(folder / "disk"))
                self._lay(folder / "disk/state", folder / "state")
            if HANGS in need:
                for name in ("state", "data"):
                    self._servers[name] = self._stack.enter_context(mirrored(folder / name))
        except BaseException:
            self._stack.close()
            raise

    def _lay(self, source: Path, folder: Path) -> None:
        """Show one folder at another place."""
        for path in (source, folder):
            path.mkdir()
        self._stack.enter_context(mounted(folder, "--bind", str(source)))

    def close(self) -> None:
        """Let go on what hangs, and unmount; what lies beneath stays."""
        for server in self._servers.values():
            server.send_signal(signal.SIGCONT)
        self._stack.close()

    def hang(self, name: str, lasts_s: float) -> bool:
        """Whoever touches the folder hangs for a while; a thread of its own ends that, since the caller may, too."""
        server = self._servers.get(name)
        if server is None:
            return False
        server.send_signal(signal.SIGSTOP)
        timer = threading.Timer(lasts_s, server.send_signal, [signal.SIGCONT])
        timer.daemon = True
        timer.start()
        return True

    def fill(self, what: str) -> Callable[[], None] | None:
        """Use up the inodes or the bytes of the disk under the state; what gives them back. None where it is on no
        disk of its own."""
        if self._disk is None:
            return None
        filler = self._disk / "filler"
        filler.mkdir(exist_ok=True)
        use_up_inodes(filler) if what == "INODES" else use_up_bytes(filler)
        return lambda: empty(filler)


def use_up_inodes(folder: Path) -> None:
    """Make files until none more can be made."""
    number = 0
    with contextlib.suppress(OSError):
        while True:
            (folder / str(number)).touch()
            number += 1


def use_up_bytes(folder: Path) -> None:
    """Write until nothing more can be written."""
    with contextlib.suppress(OSError), (folder / "bytes").open("ab") as file:
        free = os.statvfs(folder)
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)


def empty(folder: Path) -> None:
    """Remove the files of a folder."""
    for path in folder.iterdir():
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A disk of few bytes and few inodes, in memory."""
    folder.mkdir()
    with mounted(folder, "-t", "tmpfs", "-o", DISK, "tmpfs"):
        yield folder


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Something is mounted on a folder; Unmountable where that is not allowed."""
    try:
        done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Unmountable("needs the command mount") from None
    if done.returncode:
        raise Unmountable(f"may not mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


@contextlib.contextmanager
def mirrored(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The folder is shown by a process, which is given; stopped, it hangs. Unmountable without /dev/fuse or root."""
    if not os.access(FUSE, os.R_OK | os.W_OK):
        raise Unmountable(f"needs {FUSE}: load the kernel module fuse, and give the container the device")
    if os.geteuid() != 0:
        raise Unmountable("needs root to mount")
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-S", str(MIRROR), str(folder), str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout is not None and server.stderr is not None
    try:
        if server.stdout.readline() != "mounted\n":
            raise Unmountable(f"may not mount: {server.stderr.read().strip().splitlines()[-1:]}")
        yield server
    finally:
        server.send_signal(signal.SIGCONT)
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(5)
        server.kill()
        server.wait()
        server.stdout.close()
        server.stderr.close()
