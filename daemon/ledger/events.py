"""The log's events, kept for `driftd history --events` as long as there is room."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from daemon.ledger.rows import last_row, last_rows, last_rows_of
from daemon.ledger.tables import OF_FILES, events

KEPT = 200_000


def append(conn: Connection, entries: Iterable[dict[str, Any]]) -> None:
    """Write events, and let go of those beyond the newest 200,000."""
    values = list(entries)
    if not values:
        return
    conn.execute(insert(events), values)
    newest = conn.scalar(select(func.max(events.c.id))) or 0
    conn.execute(delete(events).where(events.c.id <= newest - KEPT))


def listed(conn: Connection, model: str | None, last: int) -> Sequence[Row[Any]]:
    """The newest events, newest last."""
    return last_rows_of(conn, events, model, last)


def of_files(conn: Connection, model: str | None, last: int) -> Sequence[Row[Any]]:
    """The newest files that were held, or let in again, without a person; newest last."""
    return last_rows(conn, events, last, OF_FILES, *([] if model is None else [events.c.model == model]))


def newest(conn: Connection, names: Sequence[str]) -> Row[Any] | None:
    """The newest event of the service as a whole, no model's, that has one of these names."""
    return last_row(conn, events, events.c.model.is_(None), events.c.event.in_(names))


def newest_of_model(conn: Connection, model: str, names: Sequence[str]) -> Row[Any] | None:
    """The newest event of a model that has one of these names."""
    return last_row(conn, events, events.c.model == model, events.c.event.in_(names))


def after(conn: Connection, last_id: int, most: int) -> Sequence[Row[Any]]:
    """The newest of the events after one, oldest first."""
    return last_rows(conn, events, most, events.c.id > last_id)


def newest_id(conn: Connection) -> int:
    """The number of the newest event; 0 where there is none."""
    return conn.scalar(select(func.max(events.c.id))) or 0
