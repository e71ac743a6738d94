"""The files that a ledger refers to: what a backup must hold besides it. Paths are relative to the state folder."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from daemon.config.paths import FORGET_KEY, ROWS, SEEN, ModelPaths

HERE = Path()


@dataclass(frozen=True)
class References:
    """`files` by path; `versions` and `adoptions`, folders. Of `spare` files the state can do without one that is
    gone."""

    files: frozenset[str]
    versions: frozenset[str]
    spare: frozenset[str]
    adoptions: frozenset[str] = frozenset()


def copy_ledger(source: Path, target: Path) -> None:
    """A consistent copy of a ledger that others are writing, as one closed file without a -wal beside it."""
    with closing(sqlite3.connect(source, timeout=30)) as before, closing(sqlite3.connect(target)) as after:
        before.execute("PRAGMA query_only=ON")
        before.backup(after)
        after.execute("PRAGMA journal_mode=DELETE")


def references(path: Path) -> References:
    """What a closed copy of a ledger refers to."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        used = "SELECT snapshot FROM files WHERE snapshot IS NOT NULL AND state"
        files = set(_column(connection, f"{used} IN ('accepted', 'held')"))
        spare = set(_column(connection, f"{used} NOT IN ('accepted', 'held')")) - files
        stored = connection.execute("SELECT model, name FROM versions WHERE state = 'stored'")
        versions = frozenset(ModelPaths(HERE, model).version(name).as_posix() for model, name in stored)
        spare |= set(_column(connection, "SELECT predictions FROM checks WHERE predictions IS NOT NULL"))
        rejected = connection.execute("SELECT model, sha256 FROM files WHERE rejected > 0 AND sha256 IS NOT NULL")
        spare |= {ModelPaths(HERE, model).rejects(sha256).as_posix() for model, sha256 in rejected}
        if "prediction_log" in tables:
            spare |= set(_column(connection, "SELECT path FROM prediction_log"))
        if "pulls" in tables:
            files |= {f"{folder}/{SEEN}" for folder in _column(connection, "SELECT folder FROM pulls WHERE is_kept")}
            waiting = _column(connection, "SELECT folder FROM pulls WHERE NOT is_taken")
            files |= {f"{folder}/{ROWS}" for folder in waiting}
        adoptions = frozenset(_brought(connection))
        if "forgotten" in tables and next(_column(connection, "SELECT id FROM forgotten LIMIT 1"), None) is not None:
            files.add(FORGET_KEY)
        return References(frozenset(files), versions, frozenset(spare), adoptions)


def _brought(connection: sqlite3.Connection) -> Iterator[str]:
    """The folders of pipelines that are to be adopted: that wait, or that a command or an unfinished cycle names. Older
    ledgers have none."""
    if "args" not in _column(connection, "SELECT name FROM pragma_table_info('due')"):
        return
    waiting = [
        "SELECT model, json_extract(args, '$.folder') FROM due WHERE id IN "
        "(SELECT max(id) FROM due WHERE kind = 'adopt' AND done_at IS NULL GROUP BY model)",
        "SELECT json_extract(args, '$.model'), json_extract(args, '$.folder') FROM commands "
        "WHERE name = 'adopt' AND state = 'queued'",
        "SELECT model, json_extract(\"trigger\", '$.evidence.folder') FROM cycles WHERE finished_at IS NULL "
        "AND json_extract(\"trigger\", '$.kind') = 'adopt'",
    ]
    for query in waiting:
        for model, folder in connection.execute(query):
            yield ModelPaths(HERE, model).adopted(folder).as_posix()


def _column(connection: sqlite3.Connection, query: str) -> Iterator[str]:
    return (row[0] for row in connection.execute(query))
