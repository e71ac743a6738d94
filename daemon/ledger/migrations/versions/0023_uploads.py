"""How far what other hosts uploaded was taken in."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Other hosts uploaded nothing before."""
    op.create_table(
        "uploads",
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("host", sa.String, primary_key=True),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
    )
