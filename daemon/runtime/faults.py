"""For tests of crashes: a folder says at which named steps the processes of a daemon die or fail. Never in production.

`DRIFTD_FAULTS` in the environment names the folder. Each line of its file `plan` is "ROLE POINT FIRST COUNT WHAT": from
the FIRST-th passing of a crash point by processes of that role (control, analyst, trainer, server; * is any) on, COUNT
times. WHAT is KILL, SHORT (half of a write gets through) or an errno such as ENOSPC. The folder `passed` holds a file
"ROLE POINT" with a byte for each passing: restarts go on counting, so that what happened does not happen again, and a
run without faults lists all points. The plan is read at each passing: it may change while the daemon runs, and so may
where a link leads that is named as the folder. While there is a file `clock`, its number of seconds is added to the
wall clock.
"""

import contextlib
import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from retrain import durable

VARIABLE = "DRIFTD_FAULTS"
CLOCK = "clock"


def install(environment: Mapping[str, str], role: str) -> None:
    """Obey the plan that the environment names; without one nothing changes."""
    folder = environment.get(VARIABLE)
    if folder:
        durable.install_hook(Faults(Path(folder), role).pass_by)
        time.time = shifted(time.time, Path(folder) / CLOCK)


def shifted(clock: Callable[[], float], by: Path) -> Callable[[], float]:
    """A clock that goes by what a file says, if it is there."""

    def now() -> float:
        try:
            return clock() + float(by.read_text("ascii"))
        except (OSError, ValueError):
            return clock()

    return now


class Faults:
    """The plan's side of one process."""

    def __init__(self, folder: Path, role: str) -> None:
        self._folder, self._role = folder, role
        self._turn = threading.Lock()

    def pass_by(self, point: str) -> None:
        """Count the passing; die or fail if the plan says so."""
        folder = self._folder.resolve()  # a link may lead elsewhere before this ends: one passing goes by one plan
        with self._turn:
            count = self._count(folder, point)
        for role, name, first, times, what in self._lines(folder):
            if role in (self._role, "*") and name == point and int(first) <= count < int(first) + int(times):
                self._happen(folder, point, what)

    def _count(self, folder: Path, point: str) -> int:
        path = folder / "passed" / f"{self._role} {point}"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, b".")
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    @staticmethod
    def _lines(folder: Path) -> list[list[str]]:
        with contextlib.suppress(FileNotFoundError):
            return [line.split() for line in (folder / "plan").read_text("ascii").splitlines()]
        return []

    def _happen(self, folder: Path, point: str, what: str) -> None:
        with (folder / "happened").open("a", encoding="ascii") as file:
            file.write(f"{self._role} {point} {what}\n")
        if what == "KILL":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "SHORT":
            raise durable.ShortWrite
        number = getattr(errno, what)
        raise OSError(number, os.strerror(number))
