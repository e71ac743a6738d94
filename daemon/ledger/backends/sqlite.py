"""The ledger in a file of SQLite, in WAL mode, shared with the operators' group."""

import contextlib
import grp
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError

from daemon.ledger import sound
from daemon.ledger.speakable import escaping
from retrain.durable import crash_point
from retrain.records.errors import Refused, Retry

BUSY_TIMEOUT_S, FOLLOWER_BUSY_S = 10.0, 2.0
INCREMENTAL = 2
DURABLE = "durable"
"""Whether a connection's last transaction was: the pragma is sent where that changes."""


class SqliteBackend:
    """One file; `busy_s` is how long a connection waits for another's lock."""

    term = 0
    lost = ""

    def __init__(self, engine: Engine, path: Path, busy_s: float = BUSY_TIMEOUT_S) -> None:
        self.engine, self.file, self.busy_s = engine, path, busy_s
        self.place = str(path)
        self._probe: sqlite3.Connection | None = None

    def identity(self) -> tuple[int, int]:
        """Device and inode of the file."""
        found = self.file.stat()
        return found.st_dev, found.st_ino

    def newest_term(self) -> int:
        """They are not counted."""
        return 0

    def instance(self) -> str:
        """Its path: a file is not told from its copies otherwise."""
        return self.place

    def begin_read(self, connection: Connection) -> None:
        """One view, which writers neither wait for nor change."""
        connection.exec_driver_sql("BEGIN")

    def begin_write(self, connection: Connection, durable: bool) -> None:
        """Take the file's only lock for writers."""
        if connection.info.get(DURABLE) is not durable:
            connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            connection.info[DURABLE] = durable
            connection.rollback()
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def is_free(self) -> bool:
        """Tried on a connection of its own."""
        try:
            if self._probe is None:
                self._probe = _connected(self.file, 0.0)
                self._probe.isolation_level = None
            self._probe.execute("BEGIN IMMEDIATE")
            self._probe.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            return "locked" not in str(error)
        except sqlite3.Error:
            return True
        return True

    def fence(self) -> None:
        """As `claim`."""

    def claim(self, holder: str, lease_s: float) -> bool:  # noqa: ARG002 - nobody else asks
        """The lock of the state folder has done it (`daemon.runtime.lock`)."""
        return True

    def renew(self) -> bool:
        """For as long as that lock is held."""
        return True

    def hold_back(self, is_held: bool) -> None:
        """Nobody else can have it."""

    def release(self) -> None:
        """With that lock."""

    def watch(self) -> "SqliteWatch":
        """By `PRAGMA data_version`."""
        return SqliteWatch(self.file, self.busy_s)

    def hints(self) -> None:
        """None: who follows a file is on its host, and is told by control."""

    def give_back(self, pages: int) -> None:
        """At the file's end; only of ledgers that were made for it, others use their free pages again."""
        with self.engine.connect() as connection, _told("incremental_vacuum"):
            raw: Any = connection.connection.driver_connection
            free = raw.execute("PRAGMA freelist_count").fetchone()[0]
            steps = free // pages if raw.execute("PRAGMA auto_vacuum").fetchone()[0] == INCREMENTAL else 0
            for _ in range(steps):
                raw.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()

    def purge(self) -> None:
        """The whole file is written anew and the -wal emptied."""
        with self.engine.connect() as connection, _told("VACUUM"):
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA secure_delete=ON")
            raw.execute("VACUUM")
            crash_point("ledger.vacuumed")
            busy, *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise OperationalError("wal_checkpoint", None, sqlite3.OperationalError("others read the ledger"))

    def close(self) -> None:
        """The probe."""
        if self._probe is not None:
            self._probe.close()
        self._probe = None


class SqliteWatch:
    """A connection that asks for `PRAGMA data_version`; opened when it is first asked, and again after an error."""

    def __init__(self, path: Path, busy_s: float) -> None:
        self._path, self._busy_s = path, busy_s
        self._connection: sqlite3.Connection | None = None

    def version(self) -> int:
        """A number that changes when any other connection commits."""
        with _told("PRAGMA data_version"):
            if self._connection is None:
                self._connection = _connected(self._path, self._busy_s)
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version

    def close(self) -> None:
        """No more questions."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def opened(path: Path, *, create: bool, read_only: bool, group: str | None) -> SqliteBackend:
    """A ledger's file, looked at but not yet brought to today's schema; Refused with the way out if it is missing,
    damaged or not ours."""
    sound.refuse_unfinished_restore(path.parent)
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
    event.listen(engine, "before_cursor_execute", escaping(nul=False), retval=True)
    return SqliteBackend(engine, path)


def waiting(path: Path) -> SqliteBackend:
    """Nothing is looked at, and an error of SQLite's is the answer of each use, until `opened` could look at it."""
    engine = create_engine(f"sqlite:///{path}", creator=lambda: _connected(path, BUSY_TIMEOUT_S))
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "before_cursor_execute", escaping(nul=False), retval=True)
    return SqliteBackend(engine, path)


def followed(path: Path) -> SqliteBackend:
    """Nothing is touched before the first use, which fails where it is away, locked or older than this driftd."""
    engine = create_engine(f"sqlite:///{path}", creator=lambda: _connected(path, FOLLOWER_BUSY_S))
    event.listen(engine, "connect", _prepare_read_only)
    return SqliteBackend(engine, path, FOLLOWER_BUSY_S)


def why_not(path: Path, error: DatabaseError) -> Refused | Retry:
    """What an error while it was opened means."""
    if isinstance(error, OperationalError):
        if "locked" in str(error):
            return Retry(f"{path} is locked by another process")
        return Refused(f"cannot use {path}: {error.orig}", "check its permissions and the disk")
    return sound.damaged(path, str(error.orig))


def share(path: Path, group: str | None) -> None:
    """SQLite gives -wal and -shm the mode and group of the main file."""
    mode = 0o600 if group is None else 0o660
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if group is not None:
                _give_to(file, group)
            file.chmod(mode)


def group_id(group: str) -> int:
    """The number of a group; Refused where there is none of that name."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise Refused(f"[service] group is {group!r}, which does not exist", "make it, or name another") from None


@contextlib.contextmanager
def _told(statement: str) -> Iterator[None]:
    """An error of a bare connection as SQLAlchemy tells those of its own."""
    try:
        yield
    except sqlite3.Error as error:
        raise OperationalError(statement, None, error) from None


def _connected(path: Path, busy_s: float) -> sqlite3.Connection:
    """A connection to a ledger that is there: SQLite would make an empty one."""
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", timeout=busy_s, check_same_thread=False, uri=True)


def _make(path: Path, group: str | None) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if group is not None:
        _give_to(path.parent, group)
        if stat.S_IMODE(path.parent.stat().st_mode) != 0o2770:
            path.parent.chmod(0o2770)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")


def _give_to(path: Path, group: str) -> None:
    """Only where it is another group's: a sandbox may forbid the call as such."""
    wanted = group_id(group)
    if path.stat().st_gid != wanted:
        shutil.chown(path, group=wanted)


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


def _prepare_read_only(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only=ON")
