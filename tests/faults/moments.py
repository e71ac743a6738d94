"""What happens at moments rather than at named steps: kills, and a world that stands still or runs out for a while."""

import contextlib
import random
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
from helpers import wait_for

from daemon.runtime.faults import CLOCK
from faults import memory
from faults.mounts import Mounts
from faults.story import processes, wait_gone

if TYPE_CHECKING:
    from faults.run import Fault

LASTS_S = 3.0
"""How long what passes again lasts."""
HANGS_S = 5.0
SECOND_WITHIN_S = 60.0
PATIENCE_S = 120.0
COMMAND_S = (0.3, 2.0)
"""A command is killed so long after its start: some before, some while, some after what it does."""
RELOADED = ('rescan = "1s"', 'rescan = "900ms"')
SPARE_FILES = 2
HOUR_S = 3600


class Moments:
    """Acts when its time has come; `happened` is told of each, and `broken` of a promise that did not hold."""

    def __init__(self, daemon: Daemon, mounts: Mounts, happened: list[str], broken: list[str]) -> None:
        self._daemon, self._mounts, self._happened, self._broken = daemon, mounts, happened, broken
        self._chance = random.Random(str(daemon.folder.name))
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
            with contextlib.suppress(psutil.Error, OSError, sqlite3.Error, subprocess.TimeoutExpired):
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

    def no_memory(self, role: str) -> bool:
        """A process gets hardly any memory for a while; one that wants it is ended."""
        return self._without(role, memory.starve)

    def no_addresses(self, role: str) -> bool:
        """Each larger allocation of a process fails for a while."""
        return self._without(role, memory.limit_addresses)

    def _without(self, role: str, take: Callable[[psutil.Process], Callable[[], None]]) -> bool:
        for process in self._processes(role):
            self._passes(take(process))
            return True
        return False

    def hang(self, role: str) -> bool:
        """The folder that the role works with hangs for a while, for everybody: of data or of state."""
        return self._mounts.hang("data" if role == "analyst" else "state", HANGS_S)

    def full(self, role: str) -> bool:
        """The disk under the state has no byte left for a while."""
        return self._fill("FULL")

    def no_inodes(self, role: str) -> bool:
        """No file can be made on the disk under the state for a while."""
        return self._fill("INODES")

    def _fill(self, what: str) -> bool:
        undo = self._mounts.fill(what)
        if undo is not None:
            self._passes(undo)
        return undo is not None

    def second(self, _role: str) -> bool:
        """Another service is started on the same state folder: it is refused."""
        running = self._daemon.process
        if running is None or running.poll() is not None:
            return False
        other = self._command("run")
        wait_for(lambda: other.poll() is not None or running.poll() is not None, SECOND_WITHIN_S)
        if other.poll() in (None, 0) and running.poll() is None:
            self._broken.append("a second service worked on the same state folder")
        other.kill()
        other.wait()
        return True

    def reload(self, _role: str) -> bool:
        """The configuration is changed and read again."""
        process = self._daemon.process
        if process is None or process.poll() is not None:
            return False
        text, config = self._daemon.config.read_text(), self._daemon.config
        one, other = RELOADED if RELOADED[0] in text else RELOADED[::-1]
        config.with_suffix(".new").write_text(text.replace(one, other))
        config.with_suffix(".new").replace(config)
        process.send_signal(signal.SIGHUP)
        return True

    def reload_killed(self, role: str) -> bool:
        """Control dies while it reads the configuration again."""
        if not self.reload(role):
            return False
        process = self._daemon.process
        assert process is not None
        self._soon(process.kill)
        return True

    def backup(self, _role: str) -> bool:
        """A backup is made, and killed at some moment of it or not; then it is made again."""
        folder = self._daemon.folder / "backups"
        made = self._command("backup", str(folder))
        timer = threading.Timer(self._chance.uniform(*COMMAND_S), made.kill)
        timer.start()

        def finish() -> None:
            if made.wait() == -signal.SIGKILL:
                self._command("backup", str(folder)).wait(PATIENCE_S)
            timer.cancel()
            for path in folder.glob("driftd-*"):
                if not (path / "manifest.json").exists():
                    self._broken.append(f"half a backup: {path.name}")
            shutil.rmtree(folder, ignore_errors=True)

        self._passes(finish)
        return True

    def restore(self, _role: str) -> bool:
        """All is killed, backed up and restored; the restore dies, and is done again until it ends."""
        if self._daemon.process is None:
            return False
        self._daemon.kill()
        wait_gone(self._daemon)
        folder, state = self._daemon.folder / "saved", self._daemon.folder / "state"
        if self._command("backup", str(folder)).wait(PATIENCE_S) == 0:
            dying = self._command("restore", str(folder))
            self._soon(dying.kill, COMMAND_S)
            dying.wait(PATIENCE_S)
            again = self._command("restore", str(folder))
            if again.wait(PATIENCE_S) != 0:
                self._broken.append("a killed restore could not be done again")
        for path in (folder, *state.glob("before-restore-*")):
            shutil.rmtree(path, ignore_errors=True)
        return True

    def _command(self, *words: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "daemon", "-c", str(self._daemon.config), *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)

    def _soon(self, act: Callable[[], None], within_s: tuple[float, float] = (0.0, 0.4)) -> None:
        timer = threading.Timer(self._chance.uniform(*within_s), act)
        timer.daemon = True
        timer.start()

    def clock(self, role: str) -> bool:
        """The wall clock of all processes is set an hour forward or back, and set right again."""
        path = self._daemon.faults / CLOCK
        path.write_text(str(HOUR_S if len(self._happened) % 2 else -HOUR_S))
        self._passes(lambda: path.unlink(missing_ok=True))
        return True


ROOT = Path(__file__).resolve().parent.parent.parent
KINDS: dict[str, Callable[[Moments, str], bool]] = {
    "KILL": Moments.kill, "STOP": Moments.stand_still, "LOCK": Moments.lock, "FILES": Moments.no_files,
    "MEMORY": Moments.no_memory, "ADDRESSES": Moments.no_addresses, "HANG": Moments.hang, "FULL": Moments.full,
    "INODES": Moments.no_inodes, "SECOND": Moments.second, "RELOAD": Moments.reload,
    "RELOAD-KILL": Moments.reload_killed, "BACKUP": Moments.backup, "RESTORE": Moments.restore, "CLOCK": Moments.clock,
}  # fmt: skip
"""By what a fault is called."""
CHANCES = dict.fromkeys(KINDS, 1) | {"KILL": 4, "STOP": 2, "LOCK": 2, "FILES": 2, "MEMORY": 2, "HANG": 2, "CLOCK": 2}
"""How often each is drawn, beside the others."""
