"""The ledger in a PostgreSQL database.

Writers take turns, as those of a file do: each transaction begins with an advisory lock, so that numbers which it
counts up become visible in their order. The service holds a lease under a term: one whose lease is over, and whose
place another took, is refused by the database itself."""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError, ProgrammingError

from daemon.config.paths import StatePaths
from daemon.ledger import sound
from daemon.ledger.backends.postgresql_commits import PostgresqlHints, PostgresqlWatch
from daemon.ledger.backends.postgresql_driver import IntLoader, psycopg
from daemon.ledger.backends.postgresql_lease import NOW, PostgresqlLease
from daemon.ledger.backends.postgresql_schema import BEGIN, create
from daemon.ledger.backends.postgresql_url import literal, parsed, quoted
from daemon.ledger.rows import CHANNEL
from daemon.ledger.speakable import escaping
from daemon.ledger.tables import leases, metadata, versions
from retrain.records.errors import Refused, Retry

CONNECT_S, FOLLOWER_CONNECT_S = 5, 2
AWAY_S = 2.0
"""After it could not be reached it is not tried again for so long: each try may take CONNECT_S of whoever waits."""
WRITE_IDLE_S = 10.0
"""Who writes, and then says nothing for so long, is cut off: nobody else can write meanwhile. Of a service it is the
length of its lease, for nobody can take that before its transaction ended."""
WRITE_S = 1.0
"""So long a write has a lease that was over, where another one is to have it."""
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
TURN = "1, hashtext(current_schema())"
"""The advisory lock of a writer's turn, as in `ledger_turn`."""
TAKEN_OVER = "DRF01"
"""The SQLSTATE of a turn that is refused because the lease is over."""
HOPELESS = (
    "authentication failed", "does not exist", "pg_hba.conf", "permission denied", "no password supplied",
    "not permitted to log in", "invalid ",
)  # fmt: skip
"""What of a refused connection does not mend itself, in the words of libpq and the server."""
MISSING = re.compile(r'database ".*" does not exist')
NO_DATABASE = (
    "make it, with driftd's role as its owner: `createdb --owner ROLE --encoding UTF8 --template template0 NAME`"
)
NO_SCHEMA = "have the database's owner make the schema: CREATE SCHEMA {schema} AUTHORIZATION ROLE"
INSTANCE = """concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
 (SELECT oid FROM pg_database WHERE datname = current_database()), {schema})"""
"""Of the cluster and its replicas, the database in it, and the schema."""
FIRST_WITH_LEASE = "0024"
HAD_BY_LEASE = f"SELECT 1 FROM leases WHERE holder <> '' AND until > {NOW}"  # noqa: S608 - a name of ours
HAD_BY_LOCK = """
SELECT 1 FROM pg_locks JOIN pg_database ON pg_locks.database = pg_database.oid
WHERE locktype = 'advisory' AND classid = 2 AND objid = hashtext(current_schema())::bigint & 4294967295
  AND datname = current_database()"""
"""Before there were leases a service held this lock."""
NO_PARAMETERS = {"no_parameters": True}
"""Several statements at once go without any, in one round trip."""


class PostgresqlBackend:
    """One database, or one `schema` of it: a shard's, or that which the URL's role finds first."""

    def __init__(self, url: str, *, read_only: bool = False, connect_s: int = CONNECT_S) -> None:
        address = parsed(url)
        self._url, self.schema, self._channel = address.url, address.schema, address.hints
        self.file, self.place = None, address.place
        self.lost = ""
        self._read_only, self._connect_s = read_only, connect_s
        self._lease, self._is_service, self._idle_ms = PostgresqlLease(self.connected), False, int(1000 * WRITE_IDLE_S)
        self._is_held_back = False
        self._away, self._again_s = "", float("-inf")
        self._session: Any = None
        self._lock = threading.RLock()
        self.engine: Engine = create_engine(
            "postgresql+psycopg://", creator=self.connected, use_native_hstore=False, pool_use_lifo=True,
            execution_options={CHANNEL: self._channel},
        )  # fmt: skip
        event.listen(self.engine, "before_cursor_execute", escaping(nul=True), retval=True)
        event.listen(self.engine, "handle_error", _ended)

    def connected(self) -> Any:
        """A new connection, which commits each statement by itself outside of BEGIN."""
        if time.monotonic() < self._again_s:
            raise psycopg.OperationalError(self._away)
        _, given = self.engine.dialect.create_connect_args(self._url)
        options = " ".join(filter(None, (WHOLE, given.pop("options", ""), SETTINGS)))
        if self._read_only:
            options += " -c default_transaction_read_only=on"
        if self.schema is not None:  # the last word: no table is looked for, or made, elsewhere
            options += f" -c search_path={quoted(self.schema)}"
        asked = {"application_name": "driftd", "connect_timeout": self._connect_s, **NETWORK, **given}
        try:
            made = psycopg.connect(**asked, options=options, autocommit=True, prepare_threshold=None)
        except psycopg.OperationalError as error:
            self._away, self._again_s = str(error), time.monotonic() + AWAY_S
            # Of the same class and words as meanwhile: what is the same trouble is logged once.
            raise psycopg.OperationalError(self._away) from error
        made.adapters.register_loader("numeric", IntLoader)  # sums of whole numbers: there are no others
        return made

    @property
    def term(self) -> int:
        """That of `claim`; 0 before."""
        return self._lease.term

    def identity(self) -> Hashable:
        """The same for as long as it is configured."""
        return self.place

    def newest_term(self) -> int:
        """That of the service that claimed it last; OperationalError where it is away."""
        with self.engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT coalesce(max(term), 0) FROM leases").scalar_one())

    def instance(self) -> str:
        """Which of all databases it is, by whichever name it is reached: a copy of it, as of a dump, is another one.
        OperationalError where it is away."""
        with self.engine.connect() as connection:
            try:
                schema = "current_schema()" if self.schema is None else literal(self.schema)
                return str(connection.exec_driver_sql(f"SELECT {INSTANCE.format(schema=schema)}").scalar())
            except ProgrammingError:  # not everybody may know it everywhere
                return self.place

    def begin_read(self, connection: Connection) -> None:
        """One snapshot, which nobody waits for."""
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def begin_write(self, connection: Connection, durable: bool) -> None:
        """Wait for the turn, in one round trip; OperationalError where it cannot be had: this is a service, and another
        one leads, or the server takes nothing, as one that is a replica still."""
        if self._is_service and not self.term:
            raise OperationalError("ledger_turn", None, psycopg.OperationalError("this service does not lead"))
        try:
            self._begin_turn(connection, durable)
        except DBAPIError as error:
            if isinstance(error, OperationalError):
                raise
            assert error.orig is not None
            if getattr(error.orig, "sqlstate", None) == TAKEN_OVER:
                connection.rollback()
                if self._is_had(self._to_write):  # it was over, and nobody took it
                    self._begin_turn(connection, durable)
                    return
            raise OperationalError("ledger_turn", None, error.orig) from None

    def _begin_turn(self, connection: Connection, durable: bool) -> None:
        lazy = "" if durable else "SET LOCAL synchronous_commit TO off; "
        idle = f"SET LOCAL idle_in_transaction_session_timeout TO {self._idle_ms}; "
        turn = f"SELECT ledger_turn({literal(self._lease.holder)}, {self.term})"
        connection.exec_driver_sql(f"{BEGIN}; {lazy}{idle}{turn}", execution_options=NO_PARAMETERS)

    def is_free(self) -> bool:
        """Tried on a connection of its own, which is opened again where it broke."""
        with self._lock:
            try:
                row = self._own().execute(f"SELECT pg_try_advisory_xact_lock({TURN})").fetchone()
            except psycopg.Error:
                self._drop()
                return True
        return bool(row[0])

    def fence(self) -> None:
        """What a service begins with, which has no lease yet."""
        self._is_service = True

    def claim(self, holder: str, lease_s: float) -> bool:
        """Take the lease where nobody else has it; OperationalError where the database is away, Refused where it lets
        this role only read."""
        self._idle_ms = int(1000 * lease_s)
        try:
            return self._lease.take(holder, lease_s)
        except psycopg.OperationalError as error:
            raise OperationalError("claim", None, error) from None
        except psycopg.Error as error:
            raise why_not(self.place, DatabaseError("claim", None, error)) from None

    def renew(self) -> bool:
        """Lengthen the lease, unless that is held back; no, for good, where another one took it. OperationalError where
        that cannot be told."""
        return self._is_had(self._lease.is_mine if self._is_held_back else self._lease.renew)

    def hold_back(self, is_held: bool) -> None:
        """Have a write lengthen a lease that is over for as long as it needs, and nothing else; or no more so."""
        self._is_held_back = is_held

    def _to_write(self) -> bool:
        return self._lease.renew(WRITE_S if self._is_held_back else None)

    def _is_had(self, asked: Callable[[], bool]) -> bool:
        try:
            if not self.lost and not asked():
                self.lost = f"another service took over the ledger {self.place}"
        except psycopg.Error as error:
            raise OperationalError("renew", None, error) from None
        return not self.lost

    def release(self) -> None:
        """Let another one have the lease at once, if that can be told the database."""
        with contextlib.suppress(psycopg.Error):
            if self.term and not self.lost:
                self._lease.give_up()

    def watch(self) -> PostgresqlWatch:
        """By the snapshot of transactions, which every commit changes."""
        return PostgresqlWatch(self.connected)

    def hints(self) -> PostgresqlHints:
        """By NOTIFY, with the commit that hints."""
        return PostgresqlHints(self.connected, self._channel)

    def give_back(self, pages: int) -> None:
        """Autovacuum does it."""

    def purge(self) -> None:
        """All tables are written anew, but for the lease, which is renewed meanwhile, and the statistics, which have
        examples of what they hold; the server's write-ahead log, its archive and backups keep what they have."""
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables if table is not leases)
        with self.engine.connect() as connection:
            for wanted in (f"(FULL, ANALYZE) {names}", "(FULL) pg_statistic"):
                connection.exec_driver_sql(f"VACUUM {wanted}", execution_options=NO_PARAMETERS)

    def close(self) -> None:
        """What is open besides the engine's connections."""
        self._lease.close()
        with self._lock:
            self._drop()

    def _own(self) -> Any:
        """The connection beside the engine's."""
        if self._session is None or self._session.closed:
            self._session = self.connected()
        return self._session

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None


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
        raise why_not(backend.place, error, backend.schema) from None
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


def why_not(place: str, error: DatabaseError, schema: str | None = None) -> Refused | Retry:
    """What an error while it was opened means; of a shard its `schema` may have to be made."""
    said = (str(error.orig).strip().splitlines() or ["no answer"])[0].removeprefix("connection failed: ")
    if isinstance(error, OperationalError) and not any(words in said for words in HOPELESS):
        return Retry(f"the ledger {place} cannot be reached: {said}", "is the database up, and reachable from here?")
    way_out = NO_DATABASE if MISSING.search(said) else "check [service] ledger, the role and its rights"
    if schema is not None and said.startswith("permission denied for database"):
        way_out = NO_SCHEMA.format(schema=quoted(schema))
    return Refused(f"cannot use the ledger {place}: {said}", way_out)


def _to_today(backend: PostgresqlBackend, head: str, state_dir: Path, migrate: bool, is_copy: bool) -> None:
    place, found = backend.place, revision_of(backend)
    if found == head:
        if migrate and not is_copy:
            _refuse_other_folder(backend, state_dir)
        return
    if not found:
        if not migrate:
            if StatePaths(state_dir).ledger.exists():
                raise Refused(f"there is no ledger in {place} yet: it is a file in {state_dir}", sound.MOVE)
            raise Refused(f"the service has not run yet: there is no ledger in {place}", "start `driftd run`")
        if sound.holds_work(state_dir):
            raise Refused(
                f"{place} is empty, but {state_dir} has snapshots or versions; nothing was changed",
                "`driftd migrate-state` moves a ledger that is a file; else restore a dump, or name another state_dir",
            )
        create(backend.engine, head, schema=backend.schema)
        return
    if not found.isdigit():
        raise _foreign(place)
    if found > head:
        raise Refused(
            f"{place} was written by a newer driftd (schema {found}; this one knows {head})", "upgrade driftd"
        )
    if not migrate:
        raise sound.older(place, found)
    _await_older_service(backend, found)
    from daemon.ledger.migrate import upgrade

    upgrade(backend.engine, begin=f"{BEGIN}; SELECT pg_advisory_xact_lock({TURN})")


def _await_older_service(backend: PostgresqlBackend, found: str) -> None:
    """Retry while a service of an older driftd works with its own schema: it would fail, or write what is not read."""
    busy = HAD_BY_LEASE if found >= FIRST_WITH_LEASE else HAD_BY_LOCK
    with backend.engine.connect() as connection:
        if connection.exec_driver_sql(busy, execution_options=NO_PARAMETERS).first() is not None:
            raise Retry(
                f"the ledger {backend.place} has the older schema {found}, and a service of that driftd works with it",
                "this one begins when that one has stopped",
            )


def revision_of(backend: PostgresqlBackend) -> str:
    """The schema; "" where there is nothing. Refused where there are tables of others."""
    with backend.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        if (encoding := raw.info.parameter_status("server_encoding")) != "UTF8":
            raise Refused(
                f"the database {backend.place} keeps texts as {encoding}",
                "make one WITH ENCODING 'UTF8' TEMPLATE template0",
            )
        _refuse_closed_schema(backend, connection)
        names = set(inspect(connection).get_table_names())
        if not names & {*metadata.tables, "alembic_version"}:
            return ""
        if not {"alembic_version", "models", "files"} <= names:
            raise _foreign(backend.place)
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "")


def _refuse_closed_schema(backend: PostgresqlBackend, connection: Connection) -> None:
    """One that this role may not use looks as if it were not there."""
    if backend.schema is None:
        return
    asked = f"SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = {literal(backend.schema)}"  # noqa: S608
    if connection.exec_driver_sql(asked, execution_options=NO_PARAMETERS).scalar() is False:
        raise Refused(
            f"cannot use the ledger {backend.place}: permission denied for schema {backend.schema}",
            f"have its owner let this role in: GRANT USAGE ON SCHEMA {quoted(backend.schema)} TO ROLE",
        )


def _refuse_other_folder(backend: PostgresqlBackend, state_dir: Path) -> None:
    """A ledger whose versions are elsewhere would be worked with as if they were lost."""
    with backend.engine.connect() as connection:
        stored = connection.scalar(select(versions.c.name).where(versions.c.state == "stored").limit(1))
    if stored is not None and next(StatePaths(state_dir).versions.glob("*/*"), None) is None:
        raise Refused(
            f"the ledger {backend.place} knows versions, but {state_dir} has none; nothing was changed",
            "bring the state folder of this ledger here, or name it as state_dir",
        )


def _ended(context: Any) -> Exception | None:
    """A session that was idle in a transaction for too long is one that broke, which psycopg takes for a fault of its
    own."""
    error = context.original_exception
    if not isinstance(error, psycopg.errors.IdleInTransactionSessionTimeout):
        return None
    context.is_disconnect = True
    return OperationalError(context.statement, None, error)


def _foreign(place: str) -> Refused:
    return Refused(f"{place} has tables of somebody else's; nothing was changed", "give driftd a database of its own")
