"""What is due: scheduled checks and retrains, and retrains asked for by hand."""

from collections.abc import Iterable

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from daemon.ledger.tables import due


def add(conn: Connection, model: str, kind: str, due_at: float) -> None:
    """Note that something of `kind` (check, retrain or manual) is due; the same moment counts once."""
    conn.execute(insert(due).values(model=model, kind=kind, due_at=due_at).on_conflict_do_nothing())


def pending(conn: Connection, model: str, kind: str) -> tuple[int, ...]:
    """Ids of what is due and not done."""
    query = select(due.c.id).where(due.c.model == model, due.c.kind == kind, due.c.done_at.is_(None))
    return tuple(conn.scalars(query.order_by(due.c.id)))


def finish(conn: Connection, ids: Iterable[int], now: float) -> None:
    """Note that it was done."""
    wanted = tuple(ids)
    if wanted:
        conn.execute(update(due).where(due.c.id.in_(wanted)).values(done_at=now))
