"""`driftd restore`: a verified backup in place of the state, which is moved aside and never deleted.

The backup is first copied whole beside the state; a marker is there from the first move to the last, and whoever opens
the ledger refuses meanwhile. A kill at any line is mended by restoring again."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from daemon.config.paths import ASIDE, LOCK, RESTORING, STAGED, StatePaths
from daemon.runtime.lock import sole_owner
from daemon.tools.backup.manifest import STATE, Manifest, Progress, newest_of, refuse_full, stamp, verify
from retrain import durable
from retrain.records.errors import Refused

SHARED = 0o2770
"""The mode of a state folder that belongs to [service] group."""


@dataclass(frozen=True)
class Restored:
    """What was brought back, from where, and where what was there before is; None where nothing was."""

    backup: Path
    manifest: Manifest
    aside: Path | None


def restore_backup(state: Path, folder: Path, progress: Progress, group: str | None = None) -> Restored:
    """Put the newest backup of `folder`, or the backup `folder`, in place of the state; Refused with nothing changed
    while a service runs on it, or where the backup is damaged. A state folder that is made is this user's, or `group`'s
    as well."""
    backup = newest_of(folder)
    if Path(os.path.realpath(state)) in Path(os.path.realpath(backup)).parents:
        raise Refused(f"{backup} lies in the state folder, which would be moved aside", "copy it elsewhere first")
    is_new = not state.exists()
    with sole_owner(state):
        if is_new and group is not None:
            _open_to(state, group)
        manifest = verify(backup, progress)
        refuse_full(state, manifest.total_bytes)
        staged = state / STAGED
        durable.remove(staged, "restore.leftover")
        _stage(backup / STATE, staged, manifest, progress)
        durable.write_file(StatePaths(state).restoring, f"{backup}\n".encode(), "restore.begin")
        aside = _move_aside(state)
        for path in sorted(staged.iterdir()):
            durable.move(path, state / path.name, "restore.place")
        durable.remove(staged, "restore.staged")
        durable.remove(StatePaths(state).restoring, "restore.finish")
        durable.fsync_path(state)
    return Restored(backup, manifest, aside)


def _stage(source: Path, staged: Path, manifest: Manifest, progress: Progress) -> None:
    """A copy of all files, in the name of the state folder's owner."""
    done, total = 0, manifest.total_bytes
    for name, (expected, size) in manifest.files.items():
        final = staged / name
        final.parent.mkdir(parents=True, exist_ok=True)
        if durable.copy_file(source / name, final, "restore.copy") != expected:
            raise Refused(f"{source / name} changed while it was read; nothing was changed", "use another backup")
        done += size
        progress("restoring", done, total)
    _give(staged)


def _open_to(state: Path, group: str) -> None:
    """As the service makes it; a group that cannot be had is reported at the service's start."""
    with contextlib.suppress(LookupError, PermissionError):
        shutil.chown(state, group=group)
        state.chmod(SHARED)


def _give(staged: Path) -> None:
    """Durable, and the service's user's and group's where root restores for them; the ledger is private, or the
    group's where the state folder is."""
    owner = staged.parent.stat()
    is_shared = owner.st_mode & SHARED == SHARED
    StatePaths(staged).ledger.chmod(0o660 if is_shared else 0o600)
    staged.chmod(0o700)
    for path in (staged, *staged.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)
        if path.is_dir():
            durable.fsync_path(path)


def _move_aside(state: Path) -> Path | None:
    """All that is there, but for the lock, the staged copy, the marker and what was moved aside before."""
    kept = {LOCK, STAGED, RESTORING}
    present = [path for path in sorted(state.iterdir()) if path.name not in kept and not path.name.startswith(ASIDE)]
    if not present:
        return None
    aside = state / f"{ASIDE}{stamp()}"
    aside.mkdir(mode=0o700)
    for path in present:
        durable.move(path, aside / path.name, "restore.aside")
    with contextlib.suppress(PermissionError):
        shutil.copystat(state, aside)
    return aside
