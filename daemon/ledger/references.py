"""The files that a ledger refers to: what a backup must hold besides it, and who goes on with it elsewhere. Paths are
relative to the state folder."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, func, inspect, select

from daemon.config.paths import FORGET_KEY, ROWS, SEEN, ModelPaths
from daemon.ledger.tables import (
    checks,
    commands,
    cycles,
    due,
    files,
    forgotten,
    prediction_log,
    pulls,
    versions,
)

HERE = Path()
USED = "accepted", "held"


@dataclass(frozen=True)
class References:
    """`files` by path; `versions` and `adoptions`, folders. Of `spare` files the state can do without one that is
    gone."""

    files: frozenset[str]
    versions: frozenset[str]
    spare: frozenset[str]
    adoptions: frozenset[str] = frozenset()

    def needs(self, name: str) -> bool:
        """Whether a file is one of `files`, or in one of the folders."""
        folder = "/".join(name.split("/")[:3])
        return name in self.files or folder in self.versions or folder in self.adoptions


def copy_ledger(source: Path, target: Path) -> None:
    """A consistent copy of a ledger that others are writing, as one closed file without a -wal beside it."""
    with closing(sqlite3.connect(source, timeout=30)) as before, closing(sqlite3.connect(target)) as after:
        before.execute("PRAGMA query_only=ON")
        before.backup(after)
        after.execute("PRAGMA journal_mode=DELETE")


def references(path: Path) -> References:
    """What a closed copy of a ledger refers to."""
    engine = create_engine(f"sqlite:///{path.absolute().as_uri()}?mode=ro&immutable=1&uri=true")
    try:
        with engine.connect() as connection:
            return references_of(connection)
    finally:
        engine.dispose()


def references_of(conn: Connection) -> References:
    """What a ledger refers to, in the view of a connection; an older one may lack tables."""
    tables = set(inspect(conn).get_table_names())
    snapshot = select(files.c.snapshot).where(files.c.snapshot.is_not(None))
    needed = set(conn.scalars(snapshot.where(files.c.state.in_(USED))))
    spare = set(conn.scalars(snapshot.where(files.c.state.not_in(USED)))) - needed
    stored = conn.execute(select(versions.c.model, versions.c.name).where(versions.c.state == "stored"))
    kept = frozenset(ModelPaths(HERE, model).version(name).as_posix() for model, name in stored)
    spare |= set(conn.scalars(select(checks.c.predictions).where(checks.c.predictions.is_not(None))))
    rejected = select(files.c.model, files.c.sha256).where(files.c.rejected > 0, files.c.sha256.is_not(None))
    spare |= {ModelPaths(HERE, model).rejects(sha256).as_posix() for model, sha256 in conn.execute(rejected)}
    if "prediction_log" in tables:
        spare |= set(conn.scalars(select(prediction_log.c.path)))
    if "pulls" in tables:
        needed |= {f"{folder}/{SEEN}" for folder in conn.scalars(select(pulls.c.folder).where(pulls.c.is_kept))}
        needed |= {f"{folder}/{ROWS}" for folder in conn.scalars(select(pulls.c.folder).where(~pulls.c.is_taken))}
    if "forgotten" in tables and conn.scalar(select(forgotten.c.id).limit(1)) is not None:
        needed.add(FORGET_KEY)
    return References(frozenset(needed), kept, frozenset(spare), frozenset(_brought(conn)))


def _brought(conn: Connection) -> Iterator[str]:
    """The folders of pipelines that are to be adopted: that wait, or that a command or an unfinished cycle names. Older
    ledgers have none."""
    if "args" not in {column["name"] for column in inspect(conn).get_columns("due")}:
        return
    newest = select(func.max(due.c.id)).where(due.c.kind == "adopt", due.c.done_at.is_(None)).group_by(due.c.model)
    found = [(model, args) for model, args in conn.execute(select(due.c.model, due.c.args).where(due.c.id.in_(newest)))]
    queued = select(commands.c.args).where(commands.c.name == "adopt", commands.c.state == "queued")
    found += [(args["model"], args) for args in conn.scalars(queued)]
    unfinished = select(cycles.c.model, cycles.c.trigger).where(cycles.c.finished_at.is_(None))
    found += [(model, told["evidence"]) for model, told in conn.execute(unfinished) if told["kind"] == "adopt"]
    for model, about in found:
        yield ModelPaths(HERE, model).adopted(about["folder"]).as_posix()
