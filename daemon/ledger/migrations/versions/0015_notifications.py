"""What is told to whom: troubles as each destination knows them, and messages on their way."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Nobody was told anything before."""
    op.create_table(
        "troubles",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("destination", sa.String, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
        sa.UniqueConstraint("destination", "event", "model"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("destination", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("about", sa.String, nullable=False),
        sa.Column("message", sa.JSON, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", sa.Float, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("finished_at", sa.Float, nullable=True),
    )
    op.create_index("outbox_waiting", "outbox", ["destination", "id"], sqlite_where=sa.text("state = 'waiting'"))
    op.create_index("outbox_by_time", "outbox", ["destination", "at"])
