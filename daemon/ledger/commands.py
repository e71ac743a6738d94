"""What the command line asks of the service; kept while it is down."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from daemon.ledger.rows import insert_row, last_rows, update_row
from daemon.ledger.tables import commands, json_text

CommandRow = Row[Any]


def enqueue(conn: Connection, name: str, args: dict[str, Any], user: str, now: float) -> int:
    """Ask for something; the command's id."""
    return insert_row(conn, commands, {"at": now, "user": user, "name": name, "args": args})


def is_kept(conn: Connection, argument: str, name: str) -> bool:
    """Whether a command with that argument is there."""
    return kept(conn, argument, name) is not None


def kept(conn: Connection, argument: str, name: str) -> CommandRow | None:
    """The command with that argument; None where there is none."""
    same = json_text(conn, commands.c.args, argument) == name
    return conn.execute(select(commands).where(same)).first()


def queued(conn: Connection) -> Sequence[CommandRow]:
    """What is asked for and not done, oldest first."""
    return last_rows(conn, commands, None, commands.c.state == "queued")


def get(conn: Connection, command_id: int) -> CommandRow:
    """A command and what became of it."""
    return conn.execute(select(commands).where(commands.c.id == command_id)).one()


def listed(conn: Connection, model: str | None, last: int) -> Sequence[CommandRow]:
    """The newest commands about a model, or all of them, newest last."""
    wanted = [] if model is None else [json_text(conn, commands.c.args, "model") == model]
    return last_rows(conn, commands, last, *wanted)


def finish(conn: Connection, command_id: int, state: str, message: str, now: float) -> None:
    """Note what became of a command: done or refused, with its answer."""
    update_row(conn, commands, command_id, state=state, message=message, finished_at=now)
