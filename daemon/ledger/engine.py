"""Opens the ledger: SQLite in WAL mode, brought to today's schema, shared with the operators' group."""

import contextlib
import grp
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError

from daemon.config.paths import StatePaths
from daemon.ledger import sound
from retrain.durable import crash_point
from retrain.records.errors import Refused, Retry

HEAD = "0022"
BUSY_TIMEOUT_S, FOLLOWER_BUSY_S = 10.0, 2.0
INCREMENTAL = 2


@dataclass
class Ledger:
    """An open ledger. Connections are short; writers take turns. `failures` counts what SQLite could not do, `busy_s`
    is how long a connection waits for another's lock."""

    engine: Engine
    path: Path
    failures: int = 0
    busy_s: float = BUSY_TIMEOUT_S
    _poll: sqlite3.Connection | None = None
    _probe: sqlite3.Connection | None = None

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection for reading: one view for its whole life, that of its first read."""
        _pass_by("ledger.before_read")
        with self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection

    @contextlib.contextmanager
    def begin(self, durable: bool = False) -> Iterator[Connection]:
        """A transaction: all or nothing. `durable` survives a power cut from the commit on."""
        try:
            _pass_by("ledger.before_begin")
            with self.engine.connect() as connection:
                connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                connection.rollback()
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                try:
                    yield connection
                    _pass_by("ledger.before_commit")
                    connection.commit()
                except BaseException:
                    connection.rollback()
                    raise
        except OperationalError:
            self.failures += 1
            raise
        crash_point("ledger.committed")

    def data_version(self) -> int:
        """A number that changes when any connection commits; cheap enough to poll."""
        if self._poll is None:
            self._poll = self.watch()
        version: int = self._poll.execute("PRAGMA data_version").fetchone()[0]
        return version

    def is_free(self) -> bool:
        """Whether a transaction could begin now, without waiting for another's; yes where that cannot be told."""
        try:
            if self._probe is None:
                self._probe = _connected(self.path, 0.0)
                self._probe.isolation_level = None
            self._probe.execute("BEGIN IMMEDIATE")
            self._probe.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            return "locked" not in str(error)
        except sqlite3.Error:
            return True
        return True

    def watch(self) -> sqlite3.Connection:
        """A connection of one's own to ask for `PRAGMA data_version`, for a follower in another thread."""
        return _connected(self.path, self.busy_s)

    def give_back(self, pages: int) -> None:
        """Return free pages at the file's end to the system, so many in each of many short steps; only of ledgers that
        were made for it, others use their free pages again."""
        with self.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            free = raw.execute("PRAGMA freelist_count").fetchone()[0]
            steps = free // pages if raw.execute("PRAGMA auto_vacuum").fetchone()[0] == INCREMENTAL else 0
            for _ in range(steps):
                raw.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()

    def purge(self) -> None:
        """Leave nothing on the disk of what rows said before: the whole file is written anew and the -wal emptied.
        OperationalError while others hold it."""
        with self.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA secure_delete=ON")
            raw.execute("VACUUM")
            crash_point("ledger.vacuumed")
            busy, *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            self.failures += 1
            raise OperationalError("wal_checkpoint", None, sqlite3.OperationalError("others read the ledger"))

    def close(self) -> None:
        """Close all connections."""
        for connection in (self._poll, self._probe):
            if connection is not None:
                connection.close()
        self._poll = self._probe = None
        self.engine.dispose()


def open_ledger(state_dir: Path, *, create: bool = True, read_only: bool = False, group: str | None = None) -> Ledger:
    """Open the ledger of a state folder; Refused with the way out if it is missing, damaged, newer or not ours.

    Only `create` makes a missing one and migrates an older one; `group` names who may write besides the owner.
    """
    path = StatePaths(state_dir).ledger
    sound.refuse_unfinished_restore(state_dir)
    if not path.exists():
        if not create:
            raise Refused(
                f"the service has not run yet: there is no ledger at {path}",
                "start `driftd run`, or check [service] state_dir",
            )
        sound.refuse_missing(path)
        _make(path, group)
    _permitted(path, read_only)
    sound.refuse_cut_off(path)
    sound.refuse_foreign(path)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _prepare_read_only if read_only else _prepare)
    event.listen(engine, "before_cursor_execute", _speakable, retval=True)
    try:
        _to_today(engine, path, create)
    except OperationalError as error:
        engine.dispose()
        if "locked" in str(error):
            raise Retry(f"{path} is locked by another process") from None
        raise Refused(f"cannot use {path}: {error.orig}", "check its permissions and the disk") from None
    except DatabaseError as error:
        engine.dispose()
        raise sound.damaged(path, str(error.orig)) from None
    except Refused:
        engine.dispose()
        raise
    if create:
        _share(path, group)
    return Ledger(engine, path)


def waiting_ledger(state_dir: Path) -> Ledger:
    """The ledger of a service that waits for its lock: nothing is looked at, and an error of SQLite's is the answer of
    each use, until `open_ledger` could look at it."""
    path = StatePaths(state_dir).ledger
    engine = create_engine(f"sqlite:///{path}", creator=lambda: _connected(path, BUSY_TIMEOUT_S))
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "before_cursor_execute", _speakable, retval=True)
    return Ledger(engine, path)


def followed_ledger(state_dir: Path) -> Ledger:
    """The ledger for a server that reads it where it can: nothing is touched before the first use, which is in a thread
    and fails with an error of SQLite's where the ledger is away, locked or older than this driftd."""
    path = StatePaths(state_dir).ledger
    engine = create_engine(f"sqlite:///{path}", creator=lambda: _connected(path, FOLLOWER_BUSY_S))
    event.listen(engine, "connect", _prepare_read_only)
    return Ledger(engine, path, busy_s=FOLLOWER_BUSY_S)


def _connected(path: Path, busy_s: float) -> sqlite3.Connection:
    """A connection to a ledger that is there: SQLite would make an empty one."""
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", timeout=busy_s, check_same_thread=False, uri=True)


def _pass_by(point: str) -> None:
    """A crash point whose failure is SQLite's."""
    try:
        crash_point(point)
    except OSError as error:
        raise OperationalError(point, None, sqlite3.OperationalError(str(error))) from None


def _make(path: Path, group: str | None) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if group is not None:
        _give_to(path.parent, group)
        if stat.S_IMODE(path.parent.stat().st_mode) != 0o2770:
            path.parent.chmod(0o2770)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")


def _share(path: Path, group: str | None) -> None:
    """SQLite gives -wal and -shm the mode and group of the main file."""
    mode = 0o600 if group is None else 0o660
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if group is not None:
                _give_to(file, group)
            file.chmod(mode)


def _give_to(path: Path, group: str) -> None:
    """Only where it is another group's: a sandbox may forbid the call as such."""
    wanted = group_id(group)
    if path.stat().st_gid != wanted:
        shutil.chown(path, group=wanted)


def group_id(group: str) -> int:
    """The number of a group; Refused where there is none of that name."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise Refused(f"[service] group is {group!r}, which does not exist", "make it, or name another") from None


def _permitted(path: Path, read_only: bool) -> None:
    if not os.access(path, os.R_OK if read_only else os.R_OK | os.W_OK):
        raise Refused(
            f"this user may not {'read' if read_only else 'write'} {path}",
            "run as the service's user, or join the group that [service] group names",
        )


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _speakable(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> Any:
    """Texts that are no valid Unicode, as names of files within a reason may be, are written with escapes: SQLite would
    refuse them, each time anew."""
    if many:
        return statement, [_speakable_row(row) for row in values]
    return statement, _speakable_row(values)


def _speakable_row(row: Any) -> Any:
    if not isinstance(row, tuple) or all(not isinstance(value, str) or value.isascii() for value in row):
        return row
    return tuple(
        value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value for value in row
    )


def _prepare_read_only(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only=ON")


def _to_today(engine: Engine, path: Path, migrate: bool) -> None:
    if migrate:
        sound.refuse_broken(engine, path)
    found = _revision(engine)
    if found == HEAD:
        return
    if found is not None and not found.isdigit():
        raise sound.foreign(path)
    if found is not None and found > HEAD:
        raise Refused(f"{path} was written by a newer driftd (schema {found}; this one knows {HEAD})", "upgrade driftd")
    if not migrate:
        raise Refused(f"{path} has the older schema {found}", "start the service once: it migrates the ledger")
    from daemon.ledger.migrate import upgrade

    upgrade(engine)


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        tables = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        ).all()
        if not tables:
            return None
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return row[0] if row is not None else None
