"""Commands that were given while the ledger was locked: each a file of the state folder, until it is in the ledger."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from daemon.config.paths import StatePaths
from daemon.ledger import Ledger, commands
from daemon.runtime.log import get_logger
from retrain import durable
from retrain.records.errors import Refused

log = get_logger()
KEPT = "kept"
"""The argument of such a command that names its file, by which it is queued once only."""
MOST_BYTES = 2**20


def keep_command(paths: StatePaths, name: str, args: dict[str, Any], user: str) -> str:
    """Keep a command, durable on return, and say by which name; OSError. Refused where it is too large to be read."""
    durable.make_folder(paths.commands, "commands.folder", parents=False)
    path = paths.commands / f"{time.time_ns()}-{os.getpid()}.json"
    entry = {"name": name, "args": args, "user": user, "at": time.time()}
    encoded = msgspec.json.encode(entry)
    if len(encoded) > MOST_BYTES:
        raise Refused(
            "another process has locked the ledger, and this is too much to be kept", "ask again, or for less"
        )
    durable.replace_file(path, encoded, "commands.keep")
    path.chmod(0o660)  # the service's user and the operators' group, as the folder is theirs
    return path.name


def queue_kept(paths: StatePaths, ledger: Ledger) -> None:
    """Put what was kept into the ledger, oldest first; OSError, or an error of the ledger's: then it is kept on."""
    for path in _kept(paths):
        entry = _read(path)
        if entry is not None:
            with ledger.begin(durable=True) as conn:
                if not commands.is_kept(conn, KEPT, path.name):
                    args = {**entry["args"], KEPT: path.name}
                    commands.enqueue(conn, entry["name"], args, entry["user"], entry["at"])
        durable.remove(path, "commands.queued")


def _kept(paths: StatePaths) -> Iterator[Path]:
    try:
        yield from sorted(paths.commands.glob("*.json"))
    except FileNotFoundError:
        return


def _read(path: Path) -> dict[str, Any] | None:
    """What a file says; nothing, and a line in the log, where it is no command."""
    try:
        if path.is_symlink() or path.stat().st_size > MOST_BYTES:
            raise ValueError("no file of a command")
        found = msgspec.json.decode(path.read_bytes())
        well = {"name": str, "args": dict, "user": str, "at": float | int}
        if not isinstance(found, dict) or not all(isinstance(found.get(key), kind) for key, kind in well.items()):
            raise ValueError("no command")
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        log.warning("command_refused", command=path.name, model=None, user="unknown", answer=str(error))
        return None
    return found
