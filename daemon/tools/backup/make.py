"""`driftd backup`: the state of a running service as one folder, consistent, copied, verified and published whole.

The ledger comes first, then the files that this copy of it refers to: they never change, and what is made meanwhile is
not in it. What retention removes meanwhile is not in a newer copy of the ledger either, so a miss begins anew with one;
a file that two copies in a row name and nobody has is gone for good and reported. Segments of the spools, which move to
the ledger, are held by a second name before it is copied: their lines are in the ledger, in the backup, or in both, and
both is harmless since their content is known."""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from daemon.config.config import Config, model_data_dir
from daemon.config.paths import ABOUT, LEDGER, SEGMENTS, StatePaths
from daemon.config.real_paths import RealPaths
from daemon.cycles.tidying import clear_holds
from daemon.ledger.engine import HEAD, open_ledger
from daemon.ledger.references import References, copy_ledger, references
from daemon.ledger.sound import integrity
from daemon.runtime.ledgers import refuse_database
from daemon.tools.backup.manifest import (
    CONFIG,
    FORMAT,
    MANIFEST,
    PREFIX,
    STATE,
    Manifest,
    Progress,
    beyond,
    last_whole,
    refuse_full,
    stamp,
    verify,
)
from daemon.tools.backup.noted import note_backup
from retrain import durable
from retrain.records.errors import Refused

ROUNDS = 10


@dataclass(frozen=True)
class Made:
    """A published backup, what it holds, the older ones that went, and the newest one that lacks nothing."""

    path: Path
    manifest: Manifest
    removed: tuple[Path, ...]
    last_whole: Path | None = None


def make_backup(config: Config, folder: Path, keep: int | None, progress: Progress) -> Made:
    """Write a verified backup to `folder`; Refused with nothing published where it cannot be whole."""
    state = config.state_dir
    refuse_database(config, "`driftd backup`")
    _refuse_place(config, folder)
    open_ledger(state, create=False, read_only=True).close()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        for left in folder.glob(f".{PREFIX}*"):
            durable.remove(left, "backup.leftover")
        name = f"{PREFIX}{stamp()}"
        staged = folder / f".{name}"
        staged.mkdir(mode=0o700)
        try:
            configuration = config.path.read_bytes()
            durable.write_file(staged / CONFIG, configuration, "backup.config")
            manifest = _write(state, staged, name, hashlib.sha256(configuration).hexdigest(), progress)
            durable.write_file(staged / MANIFEST, manifest.to_json(), "backup.manifest")
            verify(staged, progress)
        except BaseException:
            durable.remove(staged, "backup.give_up")
            raise
        durable.publish_folder(staged, folder / name, "backup.publish")
        removed = beyond(folder, keep) if keep else []
        for old in removed:
            hidden = old.with_name(f".{old.name}")  # first its name, so that a kill leaves no half backup
            durable.move(old, hidden, "backup.expire")
            durable.remove(hidden, "backup.remove")
        whole = last_whole(folder)
    made = Made(folder / name, manifest, tuple(removed), None if whole is None else whole[0])
    note_backup(config.paths, made.path, manifest, whole)
    return made


def _write(state: Path, staged: Path, name: str, config: str, progress: Progress) -> Manifest:
    target = staged / STATE
    target.mkdir()
    files: dict[str, tuple[str, int]] = {}
    with _held_segments(state) as held:
        missing, lost = _copy_state(state, target, files, progress)
        _hold_new(state, held)
        for segment in sorted(held.rglob("*.jsonl")):
            _copy(segment, target, segment.relative_to(held).as_posix(), files)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    ordered = dict(sorted(files.items()))
    gone = tuple(sorted(missing)), tuple(sorted(lost))
    return Manifest(FORMAT, name, now, version("driftd"), HEAD, ordered, *gone, config)


def _copy_state(
    state: Path, target: Path, files: dict[str, tuple[str, int]], progress: Progress
) -> tuple[set[str], set[str]]:
    """Copy the ledger and its files, with a newer ledger while files go; what is gone for good, and what of that the
    state needs."""
    before: set[str] | None = None
    for _ in range(ROUNDS):
        named = _copy_ledger(state, target, files)
        missing = _copy_named(state, target, named, files, progress)
        if not missing or missing == before:
            break
        before = missing
    for name in set(files) - _expected(state, named) - {LEDGER}:
        (target / name).unlink()
        del files[name]
    damaged = _damaged_versions(target, named, files)
    return missing | damaged, (missing | damaged) - named.spare


def _damaged_versions(target: Path, named: References, files: dict[str, tuple[str, int]]) -> set[str]:
    """Copied files of versions that are not what the version's manifest says."""
    found = set()
    for version_ in named.versions:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            said = json.loads((target / version_ / MANIFEST).read_bytes()).get("files", {})
            names = {f"{version_}/{name}": digest for name, digest in said.items()}
            found |= {name for name, digest in names.items() if name in files and files[name][0] != digest}
    return found


def _copy_ledger(state: Path, target: Path, files: dict[str, tuple[str, int]]) -> References:
    copy, fresh = target / LEDGER, target / f".{LEDGER}.tmp"
    fresh.unlink(missing_ok=True)
    copy_ledger(state / LEDGER, fresh)
    answer = integrity(fresh)
    if answer != "ok":
        raise Refused(f"the ledger is damaged: {answer}; older backups were kept", "stop the service and restore one")
    durable.publish_file(fresh, copy, "backup.ledger")
    files[LEDGER] = (durable.sha256(copy), copy.stat().st_size)
    return references(copy)


def _expected(state: Path, named: References) -> set[str]:
    """All files by name; those of versions and of pipelines to be adopted are listed from their folders."""
    inside = {
        path.relative_to(state).as_posix()
        for version in named.versions | named.adoptions
        for path in (state / version).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    return set(named.files) | set(named.spare) | inside


def _copy_named(
    state: Path, target: Path, named: References, files: dict[str, tuple[str, int]], progress: Progress
) -> set[str]:
    """Copy what is not there yet; what is missing."""
    missing = {version for version in named.versions if not (state / version / MANIFEST).is_file()}
    missing |= {folder for folder in named.adoptions if not (state / folder / ABOUT).is_file()}
    wanted = sorted(_expected(state, named) - set(files))
    sizes = {name: _size(state / name) for name in wanted}
    total, done = sum(sizes.values()), 0
    refuse_full(target.parent.parent, total)
    for name, size in sizes.items():
        if not _copy(state / name, target, name, files):
            missing.add(name)
        done += size
        progress("copying", done, total)
    return missing


def _copy(source: Path, target: Path, name: str, files: dict[str, tuple[str, int]]) -> bool:
    """Copy one file; no where it is gone, or a snapshot whose content is not what its name says."""
    final = target / name
    final.parent.mkdir(parents=True, exist_ok=True)
    final.unlink(missing_ok=True)
    try:
        digest = durable.copy_file(source, final, "backup.copy")
    except FileNotFoundError:
        return False
    if name.startswith("snapshots/") and not digest.startswith(final.stem):
        final.unlink()
        return False
    files[name] = (digest, final.stat().st_size)
    return True


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _hold_new(state: Path, held: Path) -> None:
    """Hold the segments that are in the spools now."""
    for path in (path for pattern in SEGMENTS for path in state.glob(pattern)):
        try:
            durable.hold(path, held / path.relative_to(state).with_suffix(".jsonl"))
        except PermissionError:
            raise Refused(f"this user may not hold {path}", "run as the service's user, or as root") from None


@contextlib.contextmanager
def _held_segments(state: Path) -> Iterator[Path]:
    """A folder of second names of the spools' segments, so that taking them in does not take them away."""
    paths = StatePaths(state)
    clear_holds(paths)
    held = paths.held / str(os.getpid())
    _hold_new(state, held)
    try:
        yield held
    finally:
        durable.remove(held, "backup.let_go")


def _refuse_place(config: Config, folder: Path) -> None:
    """Not where the service would take it for data, or where it dies with what it backs up."""
    in_folders = (name for name, one in config.models.items() if one.data_uri is None)
    forbidden = {f"the data folder of {name}": model_data_dir(config, name) for name in in_folders}
    real = RealPaths()
    for what, place in (forbidden | {"the state folder itself": config.state_dir}).items():
        if real.of(folder).is_relative_to(real.of(place)):
            raise Refused(f"{folder} is in {what}", "name a folder elsewhere, best on another disk")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One backup at a time into a folder; the system lets go of a killed one's lock."""
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f"another backup into {folder} is under way", "wait for it") from None
        yield
