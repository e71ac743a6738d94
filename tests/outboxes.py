"""What waits in the outbox of a ledger, with what it says."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from daemon.ledger.outbox import MessageRow
from daemon.ledger.tables import outbox


def waiting_messages(conn: Connection) -> Sequence[MessageRow]:
    """All that is not sent yet, oldest first."""
    return conn.execute(select(outbox).where(outbox.c.state == "waiting").order_by(outbox.c.id)).all()
