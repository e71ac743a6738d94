"""The ledger: connections to read and to write, and how it is opened; which database keeps it, `backends/` knows."""

import contextlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DatabaseError, OperationalError

from daemon.config.paths import StatePaths
from daemon.ledger import sound
from daemon.ledger.backends import Backend, Hints, Version, Watch, sqlite
from daemon.ledger.rows import VIEW
from retrain.durable import crash_point
from retrain.records.errors import Refused

HEAD = "0024"


@dataclass
class Ledger:
    """An open ledger. Connections are short; writers take turns. `failures` counts what the database could not do."""

    backend: Backend
    failures: int = 0
    _poll: Watch | None = None

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's."""
        return self.backend.engine

    @property
    def place(self) -> str:
        """Where it is, for people: a file, or a database without its password."""
        return self.backend.place

    @property
    def file(self) -> Path | None:
        """Its file; None of a database."""
        return self.backend.file

    @property
    def lost(self) -> str:
        """Why control may not write any more; "" while it may."""
        return self.backend.lost

    @property
    def term(self) -> int:
        """Which of the services that wrote it, one after the other, this one is; 0 where they are not counted."""
        return self.backend.term

    def identity(self) -> Hashable:
        """Which database it is: another one once another is in its place; OSError where it is away."""
        return self.backend.identity()

    def instance(self) -> str:
        """Which one it is of all ledgers and their copies, whatever it is called; OperationalError where it is away."""
        return self.backend.instance()

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection for reading: one view for its whole life, that of its first read."""
        _pass_by("ledger.before_read")
        with self.engine.connect() as connection:
            self.backend.begin_read(connection)
            connection.execution_options(**{VIEW: {}})
            yield connection

    @contextlib.contextmanager
    def begin(self, durable: bool = False) -> Iterator[Connection]:
        """A transaction: all or nothing. `durable` survives a power cut from the commit on."""
        try:
            _pass_by("ledger.before_begin")
            with self.engine.connect() as connection:
                self.backend.begin_write(connection, durable)
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

    def data_version(self) -> Version:
        """Another one after each commit of any connection; cheap enough to poll."""
        if self._poll is None:
            self._poll = self.watch()
        return self._poll.version()

    def is_free(self) -> bool:
        """Whether a transaction could begin now, without waiting for another's; yes where that cannot be told."""
        return self.backend.is_free()

    def fence(self) -> None:
        """From here on nothing can be written but by who has claimed it."""
        self.backend.fence()

    def claim(self, holder: str, lease_s: float) -> bool:
        """Be the only service that writes it, for so long unless that is renewed; no where another one is. Refused
        where this role may not write it, OperationalError where that cannot be told."""
        return self.backend.claim(holder, lease_s)

    def renew(self) -> bool:
        """Go on to be it; no, for good, where another one took over. OperationalError where that cannot be told."""
        return self.backend.renew()

    def hold_back(self, is_held: bool) -> None:
        """From here on let the lease run out, so that another service may take it; until one does this one can write.
        Or no more so."""
        self.backend.hold_back(is_held)

    def release(self) -> None:
        """Be it no more, so that another one need not wait for the end of the lease."""
        self.backend.release()

    def watch(self) -> Watch:
        """A watch of one's own, for a thread that asks for the version."""
        return self.backend.watch()

    def hints(self) -> Hints | None:
        """Hints at promotions and trials, for a thread that waits; None where the database gives none."""
        return self.backend.hints()

    def give_back(self, pages: int) -> None:
        """Return unused space to the system, so many pages in each of many short steps."""
        self.backend.give_back(pages)

    def purge(self) -> None:
        """Leave nothing in the database's files of what rows said before; OperationalError while others hold it."""
        try:
            self.backend.purge()
        except OperationalError:
            self.failures += 1
            raise

    def close(self) -> None:
        """Close all connections."""
        if self._poll is not None:
            self._poll.close()
        self._poll = None
        self.backend.close()
        self.engine.dispose()


def open_ledger(
    state_dir: Path,
    *,
    url: str | None = None,
    create: bool = True,
    read_only: bool = False,
    group: str | None = None,
    is_copy: bool = False,
) -> Ledger:
    """Open the ledger of a state folder, or with a `url` that of the database there; Refused with the way out if it is
    missing, damaged, newer or not ours, Retry where it cannot be reached now.

    Only `create` makes a missing one and migrates an older one; `group` names who may write a file besides the owner. A
    folder that `is_copy` may lack what the ledger names: a store has it.
    """
    if url is not None:
        from daemon.ledger.backends import postgresql

        sound.refuse_unfinished_restore(state_dir)
        return Ledger(postgresql.opened(url, HEAD, state_dir, create=create, read_only=read_only, is_copy=is_copy))
    path = StatePaths(state_dir).ledger
    backend = sqlite.opened(path, create=create, read_only=read_only, group=group)
    try:
        _to_today(backend, create)
    except DatabaseError as error:
        backend.engine.dispose()
        raise sqlite.why_not(path, error) from None
    except Refused:
        backend.engine.dispose()
        raise
    if create:
        sqlite.share(path, group)
    return Ledger(backend)


def waiting_ledger(state_dir: Path, url: str | None = None) -> Ledger:
    """The ledger of a service that waits for it: nothing is looked at, and an error of the database's is the answer of
    each use, until `open_ledger` could look at it."""
    if url is not None:
        from daemon.ledger.backends import postgresql

        return Ledger(postgresql.waiting(url))
    return Ledger(sqlite.waiting(StatePaths(state_dir).ledger))


def followed_ledger(state_dir: Path, url: str | None = None) -> Ledger:
    """The ledger for a server that reads it where it can: nothing is touched before the first use, which is in a thread
    and fails with an error of the database's where the ledger is away, locked or older than this driftd."""
    if url is not None:
        from daemon.ledger.backends import postgresql

        return Ledger(postgresql.followed(url))
    return Ledger(sqlite.followed(StatePaths(state_dir).ledger))


def _pass_by(point: str) -> None:
    """A crash point whose failure is the database's."""
    try:
        crash_point(point)
    except OSError as error:
        raise OperationalError(point, None, error) from None


def _to_today(backend: sqlite.SqliteBackend, migrate: bool) -> None:
    path = backend.file
    if migrate:
        sound.refuse_broken(backend.engine, path)
    found = revision(backend.engine)
    if found == HEAD:
        return
    if found is not None and not found.isdigit():
        raise sound.foreign(path)
    if found is not None and found > HEAD:
        raise Refused(f"{path} was written by a newer driftd (schema {found}; this one knows {HEAD})", "upgrade driftd")
    if not migrate:
        raise sound.older(path, found)
    from daemon.ledger.migrate import upgrade

    upgrade(backend.engine)


def revision(engine: Engine) -> str | None:
    """The schema that a database has; None without one."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return row[0] if row is not None else None
