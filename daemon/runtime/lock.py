"""The state folder's lock: one service a folder."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from daemon.config.paths import StatePaths
from retrain.records.errors import Refused

BOOT = Path("/proc/sys/kernel/random/boot_id")


@contextlib.contextmanager
def sole_owner(state_dir: Path) -> Iterator[None]:
    """Hold the state folder's lock; Refused if another daemon has it."""
    with _opened(state_dir) as file:
        if not _locked(file):
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise Refused(
                f"another driftd (process {owner}) holds {state_dir}",
                "stop it, or give this one its own [service] state_dir",
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _locked(file: IO[str]) -> bool:
    """Whether the lock could be had; a command that just asks for it has it for a moment."""
    for pause_s in (0.01, 0.05, 0.2, 0.0):
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(pause_s)
    return False


def _opened(state_dir: Path) -> IO[str]:
    """A state folder that is made here is for this user alone; one that exists keeps its mode."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return StatePaths(state_dir).lock.open("a+")
    except OSError as error:
        raise Refused(
            f"the state folder {state_dir} cannot be written: {error.strerror}",
            "check [service] state_dir, its mount, its owner, and that this is the service's user",
        ) from None


def holder_of(state_dir: Path) -> str:
    """Who has the lock, for who reads it on another host: two services never have the same name at once. It is another
    one after a reboot, since the lock is gone then but perhaps not what the service began.

    >>> holder_of(Path("/var/lib/driftd")).startswith(socket.gethostname())
    True
    """
    boot = ""
    with contextlib.suppress(OSError):
        boot = BOOT.read_text("ascii")[:8]
    return f"{socket.gethostname()}:{state_dir.resolve()}#{boot}"


def is_held(state_dir: Path) -> bool:
    """Whether a service holds the state folder."""
    return _is_held(StatePaths(state_dir).lock)


def is_followed(state_dir: Path) -> bool:
    """Whether `driftd serve` follows another host's service with this state folder."""
    return _is_held(StatePaths(state_dir).uploading)


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
