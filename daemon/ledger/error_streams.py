"""How far the stream of a champion's errors has been watched: one detector state a model, of one deployment."""

from typing import Any

from sqlalchemy import Connection, select

from daemon.ledger.rows import insert_or_update
from daemon.ledger.tables import error_streams


def load(conn: Connection, model: str, deployment: int) -> dict[str, Any] | None:
    """The state of this deployment's detector; None at its start, and after another one was served."""
    wanted = error_streams.c.model == model, error_streams.c.deployment == deployment
    found: dict[str, Any] | None = conn.scalar(select(error_streams.c.state).where(*wanted))
    return found


def save(conn: Connection, model: str, deployment: int, state: dict[str, Any]) -> None:
    """Keep the state in place of the one before."""
    insert_or_update(conn, error_streams, ["model"], {"model": model, "deployment": deployment, "state": state})
