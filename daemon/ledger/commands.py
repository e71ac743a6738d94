"""What the command line asks of the service; kept while it is down."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from daemon.ledger.rows import insert_row
from daemon.ledger.tables import commands

CommandRow = Row[Any]


def enqueue(conn: Connection, name: str, args: dict[str, Any], user: str, now: float) -> int:
    """Ask for something; the command's id."""
    values = {"at": now, "user": user, "name": name, "args": args}
    return insert_row(conn, commands, values)


def queued(conn: Connection) -> Sequence[CommandRow]:
    """What is asked for and not done, oldest first."""
    return conn.execute(select(commands).where(commands.c.state == "queued").order_by(commands.c.id)).all()


def get(conn: Connection, command_id: int) -> CommandRow:
    """A command and what became of it."""
    return conn.execute(select(commands).where(commands.c.id == command_id)).one()


def finish(conn: Connection, command_id: int, state: str, message: str, now: float | None = None) -> None:
    """Note what became of a command: done or refused, with its answer."""
    values = {"state": state, "message": message, "finished_at": now}
    conn.execute(update(commands).where(commands.c.id == command_id).values(**values))
