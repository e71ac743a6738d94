"""What happens at moments rather than at named steps: kills, and a world that stands still or runs out for a while."""

import contextlib
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from daemon_harness import Daemon

from daemon.runtime.faults import CLOCK
from faults.story import processes

if TYPE_CHECKING:
    from faults.run import Fault

LASTS_S = 3.0
"""How long what passes again lasts."""
SPARE_FILES = 2
HOUR_S = 3600


class Moments:
    """Acts when its time has come; `happened` is told of each, and `broken` of a promise that did not hold."""

    def __init__(self, daemon: Daemon, happened: list[str], broken: list[str]) -> None:
        self._daemon, self._happened, self._broken = daemon, happened, broken
        self._left: list[Fault] = []
        self._begun_s = 0.0
        self._passing: list[tuple[float, Callable[[], None]]] = []

    def begin(self, faults: Sequence["Fault"]) -> None:
        """A round, with these."""
        self._left, self._begun_s = sorted(faults, key=lambda fault: fault.after_s), time.monotonic()

    def act(self) -> None:
        """What is due; and what has lasted long enough passes."""
        now_s = time.monotonic()
        for _, undo in [one for one in self._passing if now_s >= one[0]]:
            undo()
        self._passing = [one for one in self._passing if now_s < one[0]]
        while self._left and now_s - self._begun_s >= self._left[0].after_s:
            fault = self._left.pop(0)
            with contextlib.suppress(psutil.Error, OSError, sqlite3.Error):
                if KINDS[fault.what](self, fault.role):
                    self._happened.append(f"{fault.role} moment {fault.what}")

    def end(self) -> None:
        """Everything passes."""
        for _, undo in self._passing:
            undo()
        self._passing = []

    def _passes(self, undo: Callable[[], None]) -> None:
        self._passing.append((time.monotonic() + LASTS_S, undo))

    def _processes(self, role: str) -> Iterator[psutil.Process]:
        yield from processes(self._daemon, role)[:1]

    # --- the kinds: each says whether it happened ---------------------------------------------------------------

    def kill(self, role: str) -> bool:
        """A process dies."""
        for process in self._processes(role):
            process.kill()
            return True
        return False

    def stand_still(self, role: str) -> bool:
        """A signal stops a process for a while."""
        for process in self._processes(role):
            process.send_signal(signal.SIGSTOP)

            def go_on(process: psutil.Process = process) -> None:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(signal.SIGCONT)

            self._passes(go_on)
            return True
        return False

    def lock(self, _role: str) -> bool:
        """Another process writes to the ledger for a while."""
        path = self._daemon.folder / "state/ledger.sqlite"
        if not path.exists():
            return False
        other = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        self._passes(other.close)
        return True

    def no_files(self, role: str) -> bool:
        """A process may open hardly any file more for a while."""
        for process in self._processes(role):
            before = process.rlimit(resource.RLIMIT_NOFILE)
            process.rlimit(resource.RLIMIT_NOFILE, (process.num_fds() + SPARE_FILES, before[1]))

            def restore(process: psutil.Process = process, before: tuple[int, int] = before) -> None:
                with contextlib.suppress(psutil.Error):
                    process.rlimit(resource.RLIMIT_NOFILE, before)

            self._passes(restore)
            return True
        return False

    def second(self, _role: str) -> bool:
        """Another service is started on the same state folder: it is refused."""
        command = [sys.executable, "-m", "daemon", "-c", str(self._daemon.config), "run"]
        if not processes(self._daemon):
            return False
        running = self._daemon.process
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
        if running is self._daemon.process and running is not None and running.poll() is None and done.returncode == 0:
            self._broken.append("a second service worked on the same state folder")
        return True

    def reload(self, _role: str) -> bool:
        """The configuration is read again."""
        process = self._daemon.process
        if process is None or process.poll() is not None:
            return False
        process.send_signal(signal.SIGHUP)
        return True

    def backup(self, _role: str) -> bool:
        """A backup is made, and killed in between or not."""
        folder = self._daemon.folder / "backups"
        command = [sys.executable, "-m", "daemon", "-c", str(self._daemon.config), "backup", str(folder)]
        made = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
        timer = threading.Timer(LASTS_S, made.kill)
        timer.start()

        def finish() -> None:
            made.wait()
            timer.cancel()
            for path in folder.glob("driftd-*"):
                if not (path / "manifest.json").exists():
                    self._broken.append(f"half a backup: {path.name}")
            shutil.rmtree(folder, ignore_errors=True)

        self._passes(finish)
        return True

    def clock(self, role: str) -> bool:
        """The wall clock of all processes is set an hour forward or back, and set right again."""
        path = self._daemon.faults / CLOCK
        path.write_text(str(HOUR_S if len(self._happened) % 2 else -HOUR_S))
        self._passes(lambda: path.unlink(missing_ok=True))
        return True


ROOT = Path(__file__).resolve().parent.parent.parent
KINDS: dict[str, Callable[[Moments, str], bool]] = {
    "KILL": Moments.kill, "STOP": Moments.stand_still, "LOCK": Moments.lock, "FILES": Moments.no_files,
    "SECOND": Moments.second, "RELOAD": Moments.reload, "BACKUP": Moments.backup, "CLOCK": Moments.clock,
}  # fmt: skip
"""By what a fault is called."""
CHANCES = (6, 2, 2, 2, 1, 1, 1, 1)
