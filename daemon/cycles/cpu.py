"""What workers spend for a model is written with what they found: no transaction of its own."""

from sqlalchemy import Connection

from daemon.ledger import cpu
from daemon.runtime.context import ModelContext


def record_spent(conn: Connection, context: ModelContext) -> None:
    """Write the CPU seconds that are not in the ledger yet, in the caller's transaction."""
    spent_s, now = dict(context.spent_s), context.now()
    context.spent_s.clear()
    cpu.add(conn, context.name, {purpose: seconds for purpose, seconds in spent_s.items() if seconds > 0}, now)
