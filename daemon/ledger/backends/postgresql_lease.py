"""The lease of the service that writes a ledger in PostgreSQL: a row with a holder, a term and an end, by the
database's clock alone. Who has it renews it; who finds it over takes it, under the next term."""

import threading
from collections.abc import Callable
from typing import Any

from daemon.ledger.backends.postgresql_driver import psycopg

NOW = "extract(epoch FROM clock_timestamp())"
SERVICE = "service"
"""The only lease; its name leaves room for others."""
IS_FREE = f"SELECT holder = %s OR until <= {NOW} FROM leases WHERE name = '{SERVICE}'"  # noqa: S608 - names of ours
TAKE = f"""
INSERT INTO leases AS found (name, holder, term, since, until) VALUES ('{SERVICE}', %s, 1, {NOW}, {NOW} + %s)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, term = found.term + 1, since = {NOW}, until = {NOW} + %s
WHERE found.holder = excluded.holder OR found.until <= {NOW} RETURNING term"""  # noqa: S608
"""Waits for a transaction of the holder's that is under way, and looks at the clock after that."""
MINE = f"name = '{SERVICE}' AND holder = %s AND term = %s"
RENEW = f"UPDATE leases SET until = {NOW} + %s WHERE {MINE}"  # noqa: S608
"""Also where it is over: nobody took it."""
GIVE_UP = f"UPDATE leases SET holder = '', until = {NOW} WHERE {MINE}"  # noqa: S608
BRIEFLY = "SET lock_timeout = '1s'"


class PostgresqlLease:
    """`connected` makes the connection that it has to itself. `term` is 0 before it was ever held. Threads may share
    one."""

    def __init__(self, connected: Callable[[], Any]) -> None:
        self._connected = connected
        self._connection: Any = None
        self._lock = threading.Lock()
        self._length_s = 0.0
        self.holder, self.term = "", 0

    def take(self, holder: str, length_s: float) -> bool:
        """Have it for so long from now on, where nobody else has it; one of the same name is known to be gone."""
        with self._lock:
            try:
                free = self._one(IS_FREE, holder)
                if free is not None and not free[0]:
                    return False
                taken = self._one(TAKE, holder, length_s, length_s)
            except psycopg.errors.LockNotAvailable:
                return False
            if taken is not None:
                self.holder, self.term, self._length_s = holder, int(taken[0]), length_s
            return taken is not None

    def renew(self, length_s: float | None = None) -> bool:
        """Have it as long again from now on, or for so long; no where another one has it."""
        with self._lock:
            try:
                return self._changed(RENEW, length_s or self._length_s, self.holder, self.term)
            except psycopg.errors.LockNotAvailable:  # by a transaction of one's own, or of who takes it
                return self._is_mine()

    def is_mine(self) -> bool:
        """Whether no other one has it, be it over or not."""
        with self._lock:
            return self._is_mine()

    def give_up(self) -> None:
        """Have it no more, so that another one need not wait for its end."""
        with self._lock:
            self._changed(GIVE_UP, self.holder, self.term)

    def close(self) -> None:
        """Ask no more."""
        with self._lock:
            self._drop()

    def _is_mine(self) -> bool:
        return self._one(f"SELECT 1 FROM leases WHERE {MINE}", self.holder, self.term) is not None  # noqa: S608

    def _changed(self, statement: str, *values: Any) -> bool:
        return bool(self._run(statement, *values).rowcount)

    def _one(self, statement: str, *values: Any) -> Any:
        return self._run(statement, *values).fetchone()

    def _run(self, statement: str, *values: Any) -> Any:
        """In a transaction of its own; again where the connection turns out to be broken, which nobody had noticed."""
        is_new = self._connection is None
        try:
            if self._connection is None:
                self._connection = self._connected()
                self._connection.execute(BRIEFLY)
            return self._connection.execute(statement, values or None)
        except psycopg.errors.LockNotAvailable:
            raise
        except psycopg.Error:
            self._drop()
            if is_new:
                raise
        return self._run(statement, *values)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
