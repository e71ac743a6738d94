"""What is due: scheduled checks and retrains, retrains asked for by hand, and pipelines to adopt."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from daemon.ledger.rows import insert_or_skip
from daemon.ledger.tables import due
from retrain.records.observation import Adoption


def add(conn: Connection, model: str, kind: str, due_at: float, args: dict[str, Any] | None = None) -> None:
    """Note that something of `kind` (check, retrain, manual or adopt) is due; the same moment counts once."""
    insert_or_skip(conn, due, {"model": model, "kind": kind, "due_at": due_at, "args": args})


def pending(conn: Connection, model: str, kind: str) -> tuple[int, ...]:
    """Ids of what is due and not done."""
    query = select(due.c.id).where(due.c.model == model, due.c.kind == kind, due.c.done_at.is_(None))
    return tuple(conn.scalars(query.order_by(due.c.id)))


def waiting(conn: Connection, model: str, kinds: Sequence[str]) -> dict[str, list[Any]]:
    """What is due and not done, id and arguments by kind, oldest first."""
    undone = due.c.model == model, due.c.kind.in_(kinds), due.c.done_at.is_(None)
    query = select(due.c.kind, due.c.id, due.c.args).where(*undone)
    found: dict[str, list[Any]] = {}
    for row in conn.execute(query.order_by(due.c.id)):
        found.setdefault(row.kind, []).append(row)
    return found


def adoption(conn: Connection, model: str) -> Adoption | None:
    """The pipeline that is to be adopted: what was asked for last, in place of what was asked for before."""
    return adopted_last(waiting(conn, model, ("adopt",)).get("adopt", ()))


def adopted_last(rows: Sequence[Any]) -> Adoption | None:
    """The same of what is waiting."""
    return Adoption(tuple(row.id for row in rows), dict(rows[-1].args)) if rows else None


def rows_left(conn: Connection, model: str, folder: str, rows: int, now: float) -> None:
    """Of the rows that came with a pipeline so many are left; without any it waits no more."""
    for row in waiting(conn, model, ("adopt",)).get("adopt", ()):
        if row.args["folder"] == folder and rows:
            args = row.args | {"rows": min(rows, row.args["rows"])}
            conn.execute(update(due).where(due.c.id == row.id).values(args=args))
        elif row.args["folder"] == folder:
            finish(conn, [row.id], now)


def finish(conn: Connection, ids: Iterable[int], now: float) -> None:
    """Note that it was done."""
    wanted = tuple(ids)
    if wanted:
        conn.execute(update(due).where(due.c.id.in_(wanted)).values(done_at=now))
