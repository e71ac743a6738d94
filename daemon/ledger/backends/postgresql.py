"""The ledger in a PostgreSQL database.

Writers take turns, as those of a file do: each transaction begins with an advisory lock, so that numbers which it
counts up become visible in their order. The service holds another one for as long as it lives, and a term: one that
lost it, and whose place another took, is refused by the database itself."""

import threading
import time
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError, ProgrammingError

from daemon.config.paths import StatePaths
from daemon.ledger import sound
from daemon.ledger.backends.postgresql_schema import BEGIN, create
from daemon.ledger.rows import HINTS
from daemon.ledger.speakable import escaping
from daemon.ledger.tables import metadata, versions
from retrain.records.errors import Refused, Retry

EXTRA = "pip install 'driftd[postgres]' into this environment"

try:
    import psycopg
    from psycopg.types.numeric import IntLoader
except ImportError:
    raise Refused("a ledger in PostgreSQL needs psycopg, which is not installed", EXTRA) from None

CONNECT_S, FOLLOWER_CONNECT_S = 5, 2
AWAY_S = 2.0
"""After it could not be reached it is not tried again for so long: each try may take CONNECT_S of whoever waits."""
CLAIM_S = 10.0
"""So long a service waits for the one before, whose connection the server may not have found broken yet."""
SETTINGS = (
    "-c lock_timeout=10s -c idle_in_transaction_session_timeout=10min -c client_min_messages=warning"
    " -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=10s"
)
WHOLE = "-c statement_timeout=0"
"""Unless the URL says otherwise, whatever the role has: tables that are written anew take as long as they are large."""
NETWORK: dict[str, Any] = {
    "keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000,
}  # fmt: skip
"""A peer that is cut off is noticed within some ten seconds, on both sides; the defaults are hours."""
SERVICE = "2, hashtext(current_schema())"
"""The advisory lock of the only service that writes; that of a writer's turn is in `ledger_turn`."""
TURN = "1, hashtext(current_schema())"
TAKEN_OVER = "DRF01"
"""The SQLSTATE of a turn that is refused because another service has the ledger."""
HOPELESS = (
    "authentication failed", "does not exist", "pg_hba.conf", "permission denied", "no password supplied",
    "not permitted to log in", "invalid ",
)  # fmt: skip
"""What of a refused connection does not mend itself, in the words of libpq and the server."""
INSTANCE = """concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
 (SELECT oid FROM pg_database WHERE datname = current_database()), current_schema())"""
"""Of the cluster and its replicas, the database in it, and the schema."""
NO_PARAMETERS = {"no_parameters": True}
"""Several statements at once go without any, in one round trip."""


class PostgresqlBackend:
    """One database, or one schema of it: that which the URL's role finds first."""

    def __init__(self, url: str, *, read_only: bool = False, connect_s: int = CONNECT_S) -> None:
        self._url = _parsed(url)
        self.file, self.place = None, place_of(url)
        self.lost = ""
        self._read_only, self._connect_s = read_only, connect_s
        self._term, self._holds = 0, False
        self._away, self._again_s = "", float("-inf")
        self._session: Any = None
        self._lock = threading.RLock()
        self.engine: Engine = create_engine(
            "postgresql+psycopg://", creator=self.connected, use_native_hstore=False, pool_use_lifo=True
        )
        event.listen(self.engine, "before_cursor_execute", escaping(nul=True), retval=True)

    def connected(self) -> Any:
        """A new connection, which commits each statement by itself outside of BEGIN."""
        if time.monotonic() < self._again_s:
            raise psycopg.OperationalError(self._away)  # the same words: what is the same trouble is logged once
        _, given = self.engine.dialect.create_connect_args(self._url)
        options = " ".join(filter(None, (WHOLE, given.pop("options", ""), SETTINGS)))
        if self._read_only:
            options += " -c default_transaction_read_only=on"
        asked = {"application_name": "driftd", "connect_timeout": self._connect_s, **NETWORK, **given}
        try:
            made = psycopg.connect(**asked, options=options, autocommit=True, prepare_threshold=None)
        except psycopg.OperationalError as error:
            self._away, self._again_s = str(error), time.monotonic() + AWAY_S
            raise
        made.adapters.register_loader("numeric", IntLoader)  # sums of whole numbers: there are no others
        return made

    @property
    def term(self) -> int:
        """That of `claim`; 0 before."""
        return self._term

    def identity(self) -> Hashable:
        """The same for as long as it is configured."""
        return self.place

    def newest_term(self) -> int:
        """That of the service that claimed it last; OperationalError where it is away."""
        with self.engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT term FROM ledger_fence").scalar_one())

    def instance(self) -> str:
        """Which of all databases it is, by whichever name it is reached: a copy of it, as of a dump, is another one.
        OperationalError where it is away."""
        with self.engine.connect() as connection:
            try:
                return str(connection.exec_driver_sql(f"SELECT {INSTANCE}").scalar())
            except ProgrammingError:  # not everybody may know it everywhere
                return self.place

    def begin_read(self, connection: Connection) -> None:
        """One snapshot, which nobody waits for."""
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def begin_write(self, connection: Connection, durable: bool) -> None:
        """Wait for the turn, in one round trip; OperationalError where it cannot be had: another service has the ledger
        now, or the server takes nothing, as one that is a replica still."""
        lazy = "" if durable else "SET LOCAL synchronous_commit TO off; "
        statement = f"{BEGIN}; {lazy}SELECT ledger_turn({self._term})"
        try:
            connection.exec_driver_sql(statement, execution_options=NO_PARAMETERS)
        except DBAPIError as error:
            if isinstance(error, OperationalError):
                raise
            assert error.orig is not None
            if getattr(error.orig, "sqlstate", None) == TAKEN_OVER:
                self._lose()
            raise OperationalError(statement, None, error.orig) from None

    def is_free(self) -> bool:
        """Tried on the connection that holds the service's lock, which is so known to be alive, or renewed."""
        with self._lock:
            try:
                row = self._own().execute(f"SELECT pg_try_advisory_xact_lock({TURN})").fetchone()
            except psycopg.Error:
                self._drop()
                return True
        return bool(row[0])

    def claim(self) -> None:
        """Hold the service's lock from here on, under a term of one's own; OperationalError where the database is away,
        Refused where it lets this role only read."""
        with self._lock:
            try:
                until_s = time.monotonic() + CLAIM_S
                while not self._own().execute(f"SELECT pg_try_advisory_lock({SERVICE})").fetchone()[0]:
                    if time.monotonic() >= until_s:
                        raise Refused(
                            f"another service works with the ledger {self.place}",
                            "stop that one, or give this one a database of its own",
                        )
                    time.sleep(0.2)
                with self._own().transaction():
                    self._own().execute("SELECT ledger_turn(0)")
                    row = self._own().execute("UPDATE ledger_fence SET term = term + 1 RETURNING term").fetchone()
            except psycopg.OperationalError as error:
                self._drop()
                raise OperationalError("claim", None, error) from None
            except psycopg.Error as error:
                self._drop()
                raise why_not(self.place, DatabaseError("claim", None, error)) from None
            except Refused:
                self._drop()
                raise
            self._term, self._holds = int(row[0]), True

    def watch(self) -> "PostgresqlWatch":
        """By the snapshot of transactions, which every commit changes."""
        return PostgresqlWatch(self)

    def hints(self) -> "PostgresqlHints":
        """By NOTIFY, with the commit that hints."""
        return PostgresqlHints(self)

    def give_back(self, pages: int) -> None:
        """Autovacuum does it."""

    def purge(self) -> None:
        """All tables are written anew, and the statistics, which have examples of what they hold; the server's
        write-ahead log, its archive and backups keep what they have."""
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        with self.engine.connect() as connection:
            for wanted in (f"(FULL, ANALYZE) {names}", "(FULL) pg_statistic"):
                connection.exec_driver_sql(f"VACUUM {wanted}", execution_options=NO_PARAMETERS)

    def close(self) -> None:
        """The service's lock goes with its connection."""
        with self._lock:
            self._drop()

    def _own(self) -> Any:
        """The connection beside the engine's; after it broke another one, which takes the lock again if nobody has."""
        if self._session is None or self._session.closed:
            self._session, self._holds = self.connected(), False
        if self._term and not self._holds:
            self._claim_again()
        return self._session

    def _claim_again(self) -> None:
        """Until it is had: the server may not have found the broken connection broken yet."""
        self._holds = bool(self._session.execute(f"SELECT pg_try_advisory_lock({SERVICE})").fetchone()[0])
        row = self._session.execute("SELECT term FROM ledger_fence").fetchone()
        if row is None or row[0] != self._term:
            self._lose()

    def _lose(self) -> None:
        self.lost = f"another service took over the ledger {self.place}"

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None


class PostgresqlHints:
    """A connection that listens, which a role that may only read can do. A pooler in between that lends connections for
    a transaction hears nothing, and a replica refuses."""

    def __init__(self, backend: PostgresqlBackend) -> None:
        self._backend = backend
        self._connection: Any = None

    def wait(self, timeout_s: float) -> bool:
        """Whether one came, after the connection is made."""
        try:
            if self._connection is None:
                self._connection = self._backend.connected()
                self._connection.execute(f"LISTEN {HINTS}")
                return True  # what was hinted at before is not heard any more
            return any(self._connection.notifies(timeout=timeout_s, stop_after=1))
        except psycopg.Error as error:
            self.close()
            raise OperationalError("LISTEN", None, error) from None

    def close(self) -> None:
        """No more of them."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class PostgresqlWatch:
    """A connection that asks for the snapshot of transactions: their numbers only grow, so it is the same only where
    nothing was committed. Other databases of the server change it, too, which costs a look."""

    def __init__(self, backend: PostgresqlBackend) -> None:
        self._backend = backend
        self._connection: Any = None

    def version(self) -> str:
        """The snapshot as text."""
        try:
            if self._connection is None:
                self._connection = self._backend.connected()
            found: str = self._connection.execute("SELECT pg_current_snapshot()::text").fetchone()[0]
        except psycopg.Error as error:
            self.close()
            raise OperationalError("pg_current_snapshot", None, error) from None
        return found

    def close(self) -> None:
        """No more questions."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def opened(
    url: str, head: str, state_dir: Path, *, create: bool, read_only: bool, is_copy: bool = False
) -> PostgresqlBackend:
    """A database with a ledger of today's schema, and of this state folder; Refused where it has none, another's tables
    or a newer one, or does not let this role in; Retry where it cannot be reached."""
    backend = PostgresqlBackend(url, read_only=read_only)
    try:
        _to_today(backend, head, state_dir, create, is_copy)
    except DatabaseError as error:
        backend.engine.dispose()
        raise why_not(backend.place, error) from None
    except (Refused, Retry):
        backend.engine.dispose()
        raise
    return backend


def waiting(url: str) -> PostgresqlBackend:
    """Nothing is looked at yet."""
    return PostgresqlBackend(url)


def followed(url: str) -> PostgresqlBackend:
    """For a server: read only, and given up soon."""
    return PostgresqlBackend(url, read_only=True, connect_s=FOLLOWER_CONNECT_S)


def why_not(place: str, error: DatabaseError) -> Refused | Retry:
    """What an error while it was opened means."""
    said = (str(error.orig).strip().splitlines() or ["no answer"])[0].removeprefix("connection failed: ")
    if isinstance(error, OperationalError) and not any(words in said for words in HOPELESS):
        return Retry(f"the ledger {place} cannot be reached: {said}", "is the database up, and reachable from here?")
    return Refused(f"cannot use the ledger {place}: {said}", "check [service] ledger, the role and its rights")


def _to_today(backend: PostgresqlBackend, head: str, state_dir: Path, migrate: bool, is_copy: bool) -> None:
    place, found = backend.place, revision_of(backend)
    if found == head:
        if migrate and not is_copy:
            _refuse_other_folder(backend, state_dir)
        return
    if not found:
        if not migrate:
            raise Refused(f"the service has not run yet: there is no ledger in {place}", "start `driftd run`")
        if sound.holds_work(state_dir):
            raise Refused(
                f"{place} is empty, but {state_dir} has snapshots or versions; nothing was changed",
                "`driftd migrate-state` moves a ledger that is a file; else restore a dump, or name another state_dir",
            )
        create(backend.engine, head)
        return
    if not found.isdigit():
        raise _foreign(place)
    if found > head:
        raise Refused(
            f"{place} was written by a newer driftd (schema {found}; this one knows {head})", "upgrade driftd"
        )
    if not migrate:
        raise Refused(f"{place} has the older schema {found}", "start the service once: it migrates the ledger")
    from daemon.ledger.migrate import upgrade

    upgrade(backend.engine, begin=f"{BEGIN}; SELECT pg_advisory_xact_lock({TURN})")


def revision_of(backend: PostgresqlBackend) -> str:
    """The schema; "" where there is nothing. Refused where there are tables of others."""
    with backend.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        if (encoding := raw.info.parameter_status("server_encoding")) != "UTF8":
            raise Refused(
                f"the database {backend.place} keeps texts as {encoding}",
                "make one WITH ENCODING 'UTF8' TEMPLATE template0",
            )
        names = set(inspect(connection).get_table_names())
        if not names & {*metadata.tables, "alembic_version"}:
            return ""
        if not {"alembic_version", "ledger_fence", "models", "files"} <= names:
            raise _foreign(backend.place)
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "")


def _refuse_other_folder(backend: PostgresqlBackend, state_dir: Path) -> None:
    """A ledger whose versions are elsewhere would be worked with as if they were lost."""
    with backend.engine.connect() as connection:
        stored = connection.scalar(select(versions.c.name).where(versions.c.state == "stored").limit(1))
    if stored is not None and next(StatePaths(state_dir).versions.glob("*/*"), None) is None:
        raise Refused(
            f"the ledger {backend.place} knows versions, but {state_dir} has none; nothing was changed",
            "bring the state folder of this ledger here, or name it as state_dir",
        )


def _foreign(place: str) -> Refused:
    return Refused(f"{place} has tables of somebody else's; nothing was changed", "give driftd a database of its own")


def _parsed(url: str) -> URL:
    try:
        return make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise Refused("the URL of the ledger cannot be read") from None


def place_of(url: str) -> str:
    """A database for people: without the password, and without options, which may have one.

    >>> place_of("postgresql+psycopg://ada:secret@db:5433/ledger?password=secret")
    'postgresql://ada@db:5433/ledger'
    """
    parsed = _parsed(url)
    user = f"{parsed.username}@" if parsed.username else ""
    port = f":{parsed.port}" if parsed.port else ""
    return f"postgresql://{user}{parsed.host or ''}{port}/{parsed.database or ''}"
