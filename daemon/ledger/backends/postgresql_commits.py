"""How one hears of commits of a ledger in PostgreSQL: each of these has a connection of its own, which `connected`
makes."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import OperationalError

from daemon.ledger.backends.postgresql_driver import psycopg
from daemon.ledger.backends.postgresql_url import quoted


class PostgresqlHints:
    """A connection that listens, which a role that may only read can do. A pooler in between that lends connections for
    a transaction hears nothing, and a replica refuses."""

    def __init__(self, connected: Callable[[], Any], channel: str) -> None:
        self._connected, self._channel = connected, channel
        self._connection: Any = None

    def wait(self, timeout_s: float) -> bool:
        """Whether one came, after the connection is made."""
        try:
            if self._connection is None:
                self._connection = self._connected()
                self._connection.execute(f"LISTEN {quoted(self._channel)}")
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

    def __init__(self, connected: Callable[[], Any]) -> None:
        self._connected = connected
        self._connection: Any = None

    def version(self) -> str:
        """The snapshot as text."""
        try:
            if self._connection is None:
                self._connection = self._connected()
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
