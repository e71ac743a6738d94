"""What a version keeps of the files that it was made of, for later files to be compared with."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrain import durable
from retrain.operations import AcceptedFile
from retrain.recommendation.activity import Activity, among, support_of, support_without
from retrain.recommendation.interactions import Codes, Names
from retrain.recommendation.log import EventLog, FileRows, read_rows
from retrain.records.errors import refusing
from retrain.records.predictions import Floats
from retrain.records.schema import Schema
from retrain.records.settings import ModelSettings

FOLDER, ACTIVITY, USERS = "reference", "activity.npz", "users.npz"
FILES = 8
"""The newest files that later ones are compared with."""
HOUR_MS = 3_600_000


def write_reference(
    version: Path,
    log: EventLog,
    files: Sequence[AcceptedFile],
    schema: Schema,
    settings: ModelSettings,
    items: Sequence[str] | Names,
    seed: int = 0,
) -> None:
    """Write the reference of a version that is not published yet and knows these `items`: the accounts of the newest
    files of the log, and who was known."""
    newest = sorted((span.seq for span in log.spans), reverse=True)[:FILES]
    chosen = [one for one in sorted(files, key=lambda one: one.seq) if one.seq in newest and one.kind == "rows"]
    activity = reference_activity(log, chosen, schema, settings, items).sampled(seed)
    folder = version / FOLDER
    durable.make_folder(folder, "evaluate.reference")
    _publish(folder / USERS, {"users": np.sort(hashed(log.events.users))})
    arrays = {name: getattr(activity, name) for name in ("place", "unit", "type", "value", "unknown", "fresh")}
    _publish(folder / ACTIVITY, {**arrays, "types": np.array(activity.types, str), "hours": np.array(activity.hours)})


def load_reference(version: Path) -> tuple[Activity, NDArray[np.uint64]]:
    """What `write_reference` wrote: the activity, and the hashes of the known users, sorted. Refused where it is gone
    or damaged."""
    with refusing(f"the reference of {version.name} cannot be read", "promote another version or retrain"):
        with np.load(version / FOLDER / ACTIVITY, allow_pickle=False) as read:
            arrays = {name: read[name] for name in ("place", "unit", "type", "value", "unknown", "fresh")}
            types, hours = tuple(map(str, read["types"])), tuple(map(float, read["hours"]))
        users = known_users(version / FOLDER / USERS)
    return Activity(**arrays, types=types, hours=hours), users


def reference_activity(
    log: EventLog,
    files: Sequence[AcceptedFile],
    schema: Schema,
    settings: ModelSettings,
    items: Sequence[str] | Names,
) -> Activity:
    """The accounts of these files of the log, oldest first, to a version of these items: as far as an account's own
    choices made an item known, it counts as unknown."""
    support, known = support_of(log.events), among(log.events.items, items)
    first = np.full(len(log.events.users), np.iinfo(np.int64).max)
    np.minimum.at(first, log.events.user, log.seq)
    read, unknown, fresh = [], [], []
    for file in files:
        rows = read_rows(file.snapshot, schema, settings)
        item = np.searchsorted(log.events.items, rows.items).astype(np.int64)
        unknown.append(support_without(item, known, support)[rows.item])
        fresh.append(first[np.searchsorted(log.events.users, rows.users)] >= file.seq)
        read.append(rows)
    return _joined(read, unknown, fresh)


def current_activity(
    snapshots: Sequence[Path],
    schema: Schema,
    settings: ModelSettings,
    items: Sequence[str] | Names,
    users: NDArray[np.uint64],
) -> Activity:
    """The accounts of new files, to a version that knows these items, and users by their hashes, sorted."""
    read = [read_rows(snapshot, schema, settings) for snapshot in snapshots]
    unknown = [(~among(rows.items, items)).astype(np.float64)[rows.item] for rows in read]
    fresh = [~np.isin(hashed(rows.users), users) for rows in read]
    return _joined(read, unknown, fresh)


def known_users(path: Path) -> NDArray[np.uint64]:
    """The hashes of the users of such a file, sorted; OSError or ValueError where it cannot be read."""
    with np.load(path, allow_pickle=False) as read:
        return np.asarray(read["users"])


def users_without(path: Path, names: Names, made: Path) -> tuple[int, int]:
    """Write at `made` the known users of a version that lie at `path`, but for these names (n,); how many are left, and
    how many went. Where none goes nothing is written. OSError or ValueError where they cannot be read."""
    users = known_users(path)
    theirs = np.isin(users, hashed(names))
    if theirs.any():
        durable.crash_point("forget.before_write")
        with made.open("wb") as file:
            np.savez_compressed(file, users=users[~theirs])
    return int((~theirs).sum()), int(theirs.sum())


def hashed(names: Names) -> NDArray[np.uint64]:
    """64 bits of each name (n,): of a million users, two have the same with a chance of one in forty million."""
    digests = b"".join(hashlib.blake2b(str(one).encode("utf-8", "replace"), digest_size=8).digest() for one in names)
    return np.frombuffer(digests, np.uint64)


def _joined(read: Sequence[FileRows], unknown: Sequence[Floats], fresh: Sequence[NDArray[np.bool_]]) -> Activity:
    """The rows of files together, sorted by file and account; `fresh` (users,) of each file's."""
    types = sorted({one for rows in read for one in rows.types})
    parts: dict[str, list[Codes | Floats]] = {name: [] for name in ("place", "unit", "type", "value", "unknown")}
    units, new = 0, [np.zeros(0, bool)]
    for place, (rows, part) in enumerate(zip(read, unknown, strict=True)):
        order, there = np.argsort(rows.user, kind="stable"), np.unique(rows.user)
        parts["place"].append(np.full(len(order), place))
        parts["unit"].append(units + np.searchsorted(there, rows.user[order]))
        table = np.array([*(types.index(one) for one in rows.types), -1], np.int64)
        parts["type"].append(table[rows.type[order]])
        parts["value"].append(rows.value[order])
        parts["unknown"].append(part[order])
        units, new = units + len(there), [*new, fresh[place][there]]
    whole = {
        name: np.concatenate([np.zeros(0, np.float64 if name in ("value", "unknown") else np.int64), *found])
        for name, found in parts.items()
    }
    hours = tuple(float(np.ptp(rows.time_ms)) / HOUR_MS if len(rows.time_ms) else 0.0 for rows in read)
    return Activity(**whole, types=tuple(types), fresh=np.concatenate(new), hours=hours)


def _publish(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    durable.crash_point("evaluate.reference.before_write")
    with temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    durable.publish_file(temporary, path, "evaluate.reference")
