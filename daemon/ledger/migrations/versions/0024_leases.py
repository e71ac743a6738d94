"""Who leads, in a database that several services reach; in a file nobody does, for its folder's lock says who works."""

import sqlalchemy as sa
from alembic import op

from daemon.ledger.backends.postgresql_schema import TURN

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Terms are counted on: state folders know them."""
    op.create_table(
        "leases",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("term", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
    )
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    op.execute("INSERT INTO leases SELECT 'service', '', term, 0, 0 FROM ledger_fence")
    op.execute("DROP FUNCTION ledger_turn(bigint)")
    op.execute("DROP TABLE ledger_fence")
    connection.exec_driver_sql(TURN, execution_options={"no_parameters": True})
