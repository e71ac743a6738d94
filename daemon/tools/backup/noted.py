"""What the last backups into each folder were, noted in the state folder for `driftd status`."""

import contextlib
import os
from pathlib import Path

import msgspec

from daemon.config.paths import StatePaths
from daemon.runtime.backups import BackupNote, read_notes
from daemon.tools.backup.manifest import Manifest
from retrain import durable


def note_backup(paths: StatePaths, backup: Path, manifest: Manifest, whole: tuple[Path, Manifest] | None) -> None:
    """Note a backup that was made, in the name of the state folder's owner. Where that fails the backup is as good."""
    path, of = (None, None) if whole is None else (str(whole[0]), whole[1].created_at)
    note = BackupNote(str(backup), manifest.created_at, len(manifest.lost), path, of)
    notes = read_notes(paths) | {os.path.realpath(backup.parent): note}
    with contextlib.suppress(OSError):
        durable.replace_file(paths.backups, msgspec.json.encode(notes), "backup.note")
        owner = paths.state.stat()
        os.chown(paths.backups, owner.st_uid, owner.st_gid)
