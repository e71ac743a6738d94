"""Who leads: the service that writes a ledger which several reach, under a lease that it renews."""

from dataclasses import dataclass

from sqlalchemy import Connection, extract, func, select

from daemon.ledger.tables import leases


@dataclass(frozen=True)
class Leader:
    """`holder` leads since a moment under a `term`, `until` another one unless it renews its lease, which is in
    `left_s` seconds; where that is over nobody leads. Moments are Unix seconds by the database's clock."""

    holder: str
    term: int
    since: float
    until: float
    left_s: float


def leader(conn: Connection) -> Leader | None:
    """Who leads, or did until its lease ran out; None where a lease was given up, or none is needed."""
    if conn.dialect.name != "postgresql":
        return None
    left = leases.c.until - extract("epoch", func.clock_timestamp())
    row = conn.execute(select(leases, left.label("left_s")).where(leases.c.name == "service")).first()
    if row is None or not row.holder:
        return None
    return Leader(row.holder, row.term, row.since, row.until, float(row.left_s))
