"""Commands that are to be run after promotions: a row is written with the promotion, and is done once it ended."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from daemon.ledger.rows import insert_row, update_row
from daemon.ledger.tables import hooks, promotions

HookRow = Row[Any]


def add(conn: Connection, model: str, promotion_id: int, now: float) -> None:
    """After a promotion a command is to be run, if the model has one; by its key it can tell what it did already."""
    values = {"model": model, "promotion_id": promotion_id, "key": str(uuid.uuid4()), "at": now}
    insert_row(conn, hooks, values)


def waiting(conn: Connection) -> Sequence[HookRow]:
    """Of each model the oldest that has not ended, and since when a server serves its promotion."""
    query = select(hooks, promotions.c.swapped_at).join(promotions, hooks.c.promotion_id == promotions.c.id)
    rows = conn.execute(query.where(hooks.c.state == "waiting").order_by(hooks.c.id.desc())).all()
    return list({row.model: row for row in rows}.values())


def begin(conn: Connection, hook: HookRow) -> None:
    """Its command is begun once more."""
    update_row(conn, hooks, hook.id, attempts=hook.attempts + 1)


def count_stop(conn: Connection, hook_id: int) -> None:
    """Its command was ended because the service was told to stop."""
    stops = stops_of(conn.execute(select(hooks).where(hooks.c.id == hook_id)).one())
    update_row(conn, hooks, hook_id, outcome={"stops": stops + 1})


def stops_of(hook: HookRow) -> int:
    """How often that was, of one that has not ended."""
    return int(hook.outcome.get("stops", 0))


def finish(conn: Connection, hook_id: int, state: str, outcome: Mapping[str, Any], now: float) -> None:
    """Its command ended, `done` or `failed`; `outcome` is what the event says of it."""
    update_row(conn, hooks, hook_id, state=state, outcome=dict(outcome), finished_at=now)


def forget(conn: Connection, model: str) -> None:
    """A model has no command: nothing of it waits."""
    conn.execute(delete(hooks).where(hooks.c.model == model, hooks.c.state == "waiting"))
