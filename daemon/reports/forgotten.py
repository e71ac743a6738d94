"""What was forgotten, for people: never who."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from daemon.config.config import Config
from daemon.config.paths import ModelPaths
from daemon.ledger import forgotten
from daemon.reading.rejects import printable
from daemon.reports.iso import iso
from daemon.runtime.backups import read_notes
from drift.notation import counted, seconds
from retrain.records.errors import Refused
from retrain.store.versions import read_json

LISTED = 20
DIGESTS = ("snapshots", "holdout_snapshots", "reserved_snapshots")


def learned_by(folders: ModelPaths, names: Iterable[str], digests: Collection[str]) -> list[str]:
    """The versions that were made of files with these digests, among others."""
    return [name for name in names if _made_of(folders, name) & set(digests)]


def _made_of(folders: ModelPaths, name: str) -> set[str]:
    try:
        training = read_json(folders.version(name) / "training.json")
    except Refused:
        return set()
    return _digests(training) | _digests(training.get("prepare", {}))


def _digests(made: Mapping[str, Any]) -> set[str]:
    return {digest for key in DIGESTS for digest in made.get(key) or ()}


def since_made(conn: Connection, folders: ModelPaths, model: str, name: str) -> dict[str, Any] | None:
    """What was forgotten of the files that a version was made of: how many people and rows, when last, and what the
    files are called now; None for nothing."""
    return _forgotten(conn, model, lambda: _made_of(folders, name))


def forgotten_of(conn: Connection, model: str, prepared: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same of what a cycle prepared."""
    return _forgotten(conn, model, lambda: _digests(prepared))


def _forgotten(conn: Connection, model: str, made_of: Callable[[], set[str]]) -> dict[str, Any] | None:
    rows, digests = forgotten.listed(conn, model), set[str]()
    if rows:
        digests = made_of()
    told = [(row, [one for one in row.found.get("files", ()) if one["sha256"] in digests]) for row in rows]
    told = [(row, theirs) for row, theirs in told if theirs]
    if not told:
        return None
    entries = [one for _, theirs in told for one in theirs]
    return {
        "people": sum(row.people for row, _ in told),
        "rows": sum(one["rows"] for one in entries),
        "last": iso(told[-1][0].at),
        "reason": "people are forgotten",
        "files": [{key: one[key] for key in ("file", "rows", "before", "after")} for one in entries],
    }


def since_sentence(told: Mapping[str, Any]) -> str:
    """The same in words.

    >>> since_sentence({"people": 1, "rows": 3, "files": [{}, {}], "last": "2026-01-31T10:00:00Z"})
    'may have learned from 3 rows of 1 person who is forgotten since (2 of its files were rewritten, last 2026-01-31)'
    """
    who = "1 person who is" if told["people"] == 1 else f"{told['people']:,} people who are"
    files = f"{len(told['files']):,} of its files were rewritten, last {told['last'][:10]}"
    return f"may have learned from {counted(told['rows'], 'row')} of {who} forgotten since ({files})"


def answer(config: Config, model: str, row: Any) -> str:
    """What a forgetting came to, and what is left to a person."""
    found = row.found
    who = "1 person is" if row.people == 1 else f"{row.people:,} people are"
    files = len(found.get("files", ()))
    lines = [
        f"{who} forgotten: {counted(found['rows'], 'row')} of {counted(files, 'file')}, "
        f"{counted(found['log_rows'], 'row')} of the prediction log and "
        f"{counted(sum(found['rejected']), 'rejected row')} are gone; new rows of theirs are left out"
    ]
    if names := found["versions"]:
        cost = "" if found["retrain_s"] is None else f", about {seconds(found['retrain_s'])} of CPU"
        way = f"`driftd retrain {model}` makes one without them{cost}"
        lines.append(f"may have learned from their rows: {', '.join(names)}; {way}")
    if count := found.get("nowhere", 0):
        verb = "1 id is" if count == 1 else f"{count:,} of the ids are"
        lines.append(f"{verb} in no row: the files may write it otherwise")
    if holding := found.get("texts", ()):
        lines.append(
            f"a text that these learned from names one of them: {', '.join(holding)}; it goes with the version "
            "(retention.versions), and `driftd doctor --id` says where"
        )
    if names and found["category"]:
        lines.append(
            f"{row.column!r} is a feature: these versions may hold it as a category, until they are retired "
            "(retention.versions); `driftd doctor --id` says where"
        )
    lines += _listed("still in your own files, which are yours to correct or delete", found["still"])
    lines += _listed("files that were scored, and their results, are yours, too", found.get("scored", ()))
    lines += _listed("cannot be read, and may hold rows of theirs", found.get("unread", ()))
    old = [str(one) for one in sorted(config.state_dir.glob("before-restore-*"))]
    lines += _listed("set aside by a restore, remove it", old)
    made = [f"{folder} (newest: {one.newest})" for folder, one in read_notes(config.paths).items()]
    lines += _listed("backups made before still have them, remove these in time", made)
    return "\n".join(lines)


def _listed(what: str, names: Sequence[str]) -> list[str]:
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return [f"{what}: {', '.join(map(printable, names[:LISTED]))}{more}"] if names else []
