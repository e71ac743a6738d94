"""Commands to be run after promotions, and how they ended."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Nothing was run before."""
    op.create_table(
        "hooks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("promotion_id", sa.Integer, sa.ForeignKey("promotions.id"), nullable=False, unique=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("outcome", sa.JSON, nullable=False),
        sa.Column("finished_at", sa.Float, nullable=True),
    )
    op.create_index("hooks_waiting", "hooks", ["id"], sqlite_where=sa.text("state = 'waiting'"))
