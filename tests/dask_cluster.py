"""A real Dask cluster for tests: a scheduler and its workers, each a process, on loopback; gone after the tests."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from daemon_harness import ROOT, free_port
from helpers import PATIENCE_S, answer_of, wait_for

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="Dask is not installed: pip install 'driftd[dask]'"
)


UNSHARE = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))


def hide(folder: Path | None) -> list[str]:
    """The begin of a command that sees an empty folder in place of that one."""
    return [] if folder is None else [*UNSHARE, "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(folder)]


def _can_hide() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        return shutil.which("unshare") is not None and subprocess.call([*hide(Path(folder)), "true"]) == 0


can_hide = pytest.mark.skipif(
    not _can_hide(), reason="this user may not mount, to have a worker that sees another disk"
)


def attempts_folder(temporary: Path) -> Path:
    """Where attempts work, below the folder for temporary files."""
    return temporary / f"driftd-attempts-{os.geteuid()}"


class Cluster:
    """One scheduler, and workers that are started, killed and counted; their temporary files lie below `folder`."""

    def __init__(self, folder: Path, options: Sequence[str] = (), scheme: str = "tcp") -> None:
        self.folder, self.port, self.options, self.scheme = folder, free_port(), tuple(options), scheme
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """As `[service] executor` names it."""
        return f"{'dask+tls' if self.scheme == 'tls' else 'dask'}://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        """On its port, also once more."""
        where = ["--host", f"{self.scheme}://127.0.0.1", "--port", str(self.port)]
        self.scheduler = self._start("scheduler", *where)

    def start_worker(self, hidden: Path | None = None, **environment: str) -> "subprocess.Popen[bytes]":
        """One that runs one task at a time, and is not started again when it dies; of a folder that is `hidden` it sees
        nothing, as on another host."""
        place = f"{self.scheme}://127.0.0.1:{self.port}"
        more = ["--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder), "--death-timeout", "60"]
        made = self._start("worker", place, "--host", "127.0.0.1", *more, before=hide(hidden), **environment)
        self.workers.append(made)
        return made

    def registered(self) -> int:
        """How many times a worker was taken by the scheduler."""
        log = self.folder / "worker.log"
        return log.read_text().count("Registered to") if log.exists() else 0

    def kill_worker(self, which: int = 0) -> None:
        """As by the kernel."""
        worker = self.workers.pop(which)
        worker.kill()
        worker.wait(PATIENCE_S)

    def attempts(self) -> list[Path]:
        """The folders of attempts that go on, or were left."""
        base = attempts_folder(self.temporary)
        return [path for path in base.iterdir() if path.is_dir()] if base.is_dir() else []

    def working(self) -> list[int]:
        """The processes of attempts and of their stages, that is those whose temporary files lie here, but Dask's own."""
        found = []
        mark = f"TMPDIR={self.temporary}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command, environ = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark in environ and b"daemon.runtime." in command:
                found.append(int(folder.name))
        return found

    def is_idle(self, within_s: float = PATIENCE_S) -> bool:
        """Whether no attempt's process or folder is left, within that time."""
        return answer_of(lambda: not self.working() and not self.attempts(), within_s)

    def _start(
        self, command: str, *options: str, before: Sequence[str] = (), **environment: str
    ) -> "subprocess.Popen[bytes]":
        known = dict(os.environ, TMPDIR=str(self.temporary), OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT), **environment)
        log = (self.folder / f"{command}.log").open("ab")
        return subprocess.Popen(
            [*before, sys.executable, "-m", f"distributed.cli.dask_{command}", *options, *self.options, "--no-dashboard"],
            stdout=log, stderr=log, env=known, cwd=self.folder,
        )  # fmt: skip

    def close(self) -> None:
        """End all."""
        for process in (*self.workers, self.scheduler):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait(PATIENCE_S)


@contextmanager
def running_cluster(workers: int = 1, options: Sequence[str] = (), scheme: str = "tcp") -> Iterator[Cluster]:
    """With so many workers that are there."""
    with tempfile.TemporaryDirectory(prefix="driftd-dask-") as folder:
        cluster = Cluster(Path(folder), options, scheme)
        try:
            cluster.start_scheduler()
            for _ in range(workers):
                cluster.start_worker()
            wait_for(lambda: cluster.registered() >= workers)
            yield cluster
        finally:
            cluster.close()
