"""Is the state folder still there and ours? Looked at every other second, since a mount may go away or turn read-only.

While it is lost nothing is taken in and nothing trained, and the servers go on with what they have in memory."""

import errno
import os
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from daemon.config.paths import StatePaths

LOOK_S = 2.0
FULL = (errno.ENOSPC, errno.EDQUOT)


class StateFolder(Enum):
    """What a look found."""

    GOOD = "good"
    LOST = "lost"
    REPLACED = "replaced"


@dataclass
class StateWatch:
    """Compares the folder with what it was when the service began, by the ledger in it, or the service's lock."""

    paths: StatePaths
    watched: Path
    reason: str = ""
    _opened: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._opened = _identity(self.watched)

    def look(self, prove: bool = False) -> StateFolder:
        """What is there now; `reason` says what is wrong with it. With `prove` it is written to, for a file system that
        broke may still be called writable; a full one is not lost."""
        try:
            found = _identity(self.watched)
        except OSError as error:
            self.reason = f"{self.watched}: {error.strerror}"
            return StateFolder.LOST
        if found != self._opened:
            self.reason = f"{self.watched} is another file than the one that was opened"
            return StateFolder.REPLACED
        if not os.access(self.paths.state, os.W_OK):
            self.reason = f"{self.paths.state} cannot be written"
            return StateFolder.LOST
        if prove and (trouble := _write(self.paths.lock)):
            self.reason = f"{self.paths.state} cannot be written: {trouble}"
            return StateFolder.LOST
        self.reason = ""
        return StateFolder.GOOD


def _write(path: Path) -> str:
    """Write a file's first byte again; what went wrong."""
    try:
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.pwrite(descriptor, os.pread(descriptor, 1, 0), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return "" if error.errno in FULL else str(error.strerror)
    return ""


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
