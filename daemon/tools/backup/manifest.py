"""A backup on disk: a folder with the files of the state, and a manifest of their hashes; whole or not there."""

import json
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from daemon.config.paths import StatePaths
from daemon.ledger.engine import HEAD
from daemon.ledger.sound import integrity
from retrain import durable
from retrain.records.errors import Refused

MANIFEST, STATE, CONFIG, PREFIX = "manifest.json", "state", "config.toml", "driftd-"
FORMAT = 1
Progress = Callable[[str, int, int], None]
"""Called with what is being done, and how many bytes of how many are done."""


@dataclass(frozen=True)
class Manifest:
    """`files` by path below the state folder: SHA-256 and size. `missing` ones the ledger named and nobody had, or
    only damaged; of these the state needs the `lost` ones. `config` is the hash of the configuration beside the state;
    older backups have none."""

    format: int
    name: str
    created_at: str
    driftd: str
    schema: str
    files: dict[str, tuple[str, int]]
    missing: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    config: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all is in it that the state needs."""
        return not self.lost

    @property
    def total_bytes(self) -> int:
        """All files together."""
        return sum(size for _, size in self.files.values())

    def to_json(self) -> bytes:
        """As the file holds it."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode() + b"\n"


def read_manifest(backup: Path) -> Manifest:
    """The manifest of a backup; Refused where it is none, or a newer driftd's."""
    try:
        manifest = msgspec.json.decode((backup / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise Refused(f"{backup} is no backup: it has no {MANIFEST}") from None
    except (OSError, ValueError) as error:
        raise Refused(f"{backup / MANIFEST} cannot be read: {error}", "use another backup") from None
    if manifest.format != FORMAT or manifest.schema > HEAD:
        raise Refused(f"{backup} was made by a newer driftd ({manifest.driftd})", "upgrade driftd")
    outside = [path for path in manifest.files if Path(path).is_absolute() or ".." in Path(path).parts]
    if outside:
        raise Refused(f"{backup / MANIFEST} names a file outside of the state: {outside[0]}", "use another backup")
    return manifest


def backups_in(folder: Path) -> list[Path]:
    """The whole backups of a folder, oldest first: their names sort by time."""
    return sorted(path for path in folder.glob(f"{PREFIX}*") if (path / MANIFEST).is_file())


def last_whole(folder: Path) -> tuple[Path, Manifest] | None:
    """The newest backup of a folder that lacks nothing, by its manifest."""
    for path in reversed(backups_in(folder)):
        manifest = _readable(path)
        if manifest is not None and manifest.is_whole:
            return path, manifest
    return None


def beyond(folder: Path, keep: int) -> list[Path]:
    """The backups of a folder that go where so many are kept: the newest of them, and as many of those that lack
    nothing, so that one with losses never takes the place of a whole one."""
    backups = backups_in(folder)
    whole = [path for path in backups if (found := _readable(path)) is not None and found.is_whole]
    kept = {*backups[-keep:], *whole[-keep:]}
    return [path for path in backups if path not in kept]


def _readable(backup: Path) -> Manifest | None:
    try:
        return read_manifest(backup)
    except Refused:
        return None


def newest_of(folder: Path) -> Path:
    """The folder itself where it is a backup, else the newest one in it; Refused without any."""
    if (folder / MANIFEST).is_file():
        return folder
    backups = backups_in(folder)
    if not backups:
        raise Refused(f"there is no backup in {folder}", "name the folder that `driftd backup` wrote to")
    return backups[-1]


def verify(backup: Path, progress: Progress) -> Manifest:
    """Read a backup whole; Refused names what is missing, changed, too much, or wrong with its ledger."""
    manifest = read_manifest(backup)
    wrong = [*_wrong_config(backup / CONFIG, manifest.config), *_wrong(backup / STATE, manifest, progress)]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise Refused(f"{backup} is damaged: {'; '.join(wrong[:3])}{more}", "use another backup")
    return manifest


def _wrong_config(path: Path, expected: str | None) -> Iterator[str]:
    """By its hash; of an older backup whether it is TOML at all."""
    try:
        found = durable.sha256(path)
        tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        yield f"{CONFIG} is missing"
    except (OSError, ValueError) as error:
        yield f"{CONFIG} cannot be read: {error}"
    else:
        if expected is not None and found != expected:
            yield f"{CONFIG} is not what was written"


def _wrong(state: Path, manifest: Manifest, progress: Progress) -> Iterator[str]:
    done, total = 0, manifest.total_bytes
    for name, (expected, size) in sorted(manifest.files.items()):
        path = state / name
        if path.is_symlink() or not path.is_file():
            yield f"{name} is missing"
        elif path.stat().st_size != size or durable.sha256(path) != expected:
            yield f"{name} is not what was written"
        done += size
        progress("verifying", done, total)
    there = {path.relative_to(state).as_posix() for path in state.rglob("*") if not path.is_dir()}
    yield from (f"{name} does not belong to it" for name in sorted(there - set(manifest.files)))
    answer = integrity(StatePaths(state).ledger)
    if answer != "ok":
        yield f"its ledger: {answer}"


def stamp() -> str:
    """The time as a name: names sort by it."""
    return f"{datetime.now(UTC).strftime('%Y-%m-%dT%H%M%S.%f')[:-3]}Z"


def refuse_full(folder: Path, needed: int) -> None:
    """Refused where so many bytes do not fit."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Refused(f"the backup needs {needed:,} bytes in {folder}; {free:,} are free", "free some space")
