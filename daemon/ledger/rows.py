"""Rows of any table: one in by its values, others changed by their key, the newest ones out."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Table, TextClause, func, insert, select, update
from sqlalchemy.dialects import sqlite

from daemon.ledger.tables import models

T = TypeVar("T")


HINTS = "driftd_hints"
"""What PostgreSQL's NOTIFY calls them."""
CHANNEL = "driftd_channel"
"""The option of a connection that has the same, where its ledger has a channel of its own."""
VIEW = "driftd_view"
"""The option of a connection for reading that has what was read already: nothing changes while it lives."""


def read_once(conn: Connection, key: Hashable, read: Callable[[], T]) -> T:
    """What a read gives; on a connection for reading the same again without a statement. Nobody may change it."""
    view: dict[Hashable, Any] | None = conn.get_execution_options().get(VIEW)
    if view is None:
        return read()
    if key not in view:
        view[key] = read()
    found: T = view[key]
    return found


def insert_row(conn: Connection, table: Table, values: dict[str, Any]) -> int:
    """Insert a row and return its integer key."""
    key = conn.execute(insert(table).values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def insert_or_skip(conn: Connection, table: Table, values: dict[str, Any]) -> None:
    """Insert a row, unless one is there that it would contradict."""
    conn.execute(_insert(conn, table).values(**values).on_conflict_do_nothing())


def insert_or_update(
    conn: Connection, table: Table, keys: Sequence[str], values: dict[str, Any], changes: dict[str, Any] | None = None
) -> None:
    """Insert a row, or change the one that has its keys, to the same values or to other `changes`."""
    query = _insert(conn, table).values(**values)
    conn.execute(query.on_conflict_do_update(index_elements=list(keys), set_=values if changes is None else changes))


def _insert(conn: Connection, table: Table) -> Any:
    """SQL has no word for it: each database's own, alike."""
    if conn.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def hint(conn: Connection) -> None:
    """Have those hear of this commit who wait for promotions and trials on other hosts, where the database can tell
    them."""
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_notify(conn.get_execution_options().get(CHANNEL, HINTS), "")))


def update_row(conn: Connection, table: Table, key: int, **values: Any) -> bool:
    """Change a row; no where there is none."""
    return conn.execute(update(table).where(table.c.id == key).values(**values)).rowcount > 0


def last_row(conn: Connection, table: Table, *wanted: ColumnElement[bool]) -> Row[Any] | None:
    """The newest row that meets all conditions."""
    return next(iter(last_rows(conn, table, 1, *wanted)), None)


def last_rows(
    conn: Connection, table: Table, last: int | None, *wanted: ColumnElement[bool] | TextClause
) -> Sequence[Row[Any]]:
    """The newest `last` rows, or all, that meet all conditions; oldest first."""
    return conn.execute(select(table).where(*wanted).order_by(table.c.id.desc()).limit(last)).all()[::-1]


def last_rows_of(conn: Connection, table: Table, model: str | None, last: int) -> Sequence[Row[Any]]:
    """The newest rows of a model, or of all; oldest first."""
    return last_rows(conn, table, last, *([] if model is None else [table.c.model == model]))


def newest_of_each(conn: Connection, table: Table) -> dict[str, Row[Any]]:
    """The newest row of each model, found by an index however many rows there are."""
    mine = select(table.c.id).where(table.c.model == models.c.name).correlate(models)
    newest = mine.order_by(table.c.id.desc()).limit(1).scalar_subquery()
    query = select(table).select_from(models.join(table, table.c.id == newest))
    return {row.model: row for row in conn.execute(query)}
