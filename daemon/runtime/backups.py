"""The last backups of the state, as `driftd backup` noted them."""

from dataclasses import dataclass

import msgspec

from daemon.config.paths import StatePaths


@dataclass(frozen=True)
class BackupNote:
    """The newest backup into a folder: how many files it lacks that the state needs, and the newest that lacks none."""

    newest: str
    created_at: str
    lost: int
    whole: str | None
    whole_at: str | None


def read_notes(paths: StatePaths) -> dict[str, BackupNote]:
    """By folder of backups; none where none was made, or they cannot be read."""
    try:
        return msgspec.json.decode(paths.backups.read_bytes(), type=dict[str, BackupNote])
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return {}


def backup_sentence(note: BackupNote) -> str:
    """For people: whether the newest backup is whole, and if not, which is."""
    if not note.lost:
        return f"{note.newest}, whole"
    whole = "none is whole" if note.whole is None else f"the last whole one is {note.whole}"
    return f"{note.newest} lacks {note.lost} files that the state needs; {whole}"
