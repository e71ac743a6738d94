"""People who are forgotten, by keyed hashes, and what each forgetting came to."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0019"


def upgrade() -> None:
    """Nobody was forgotten before."""
    op.create_table(
        "forgettings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("command_id", sa.Integer, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("column", sa.String, nullable=False),
        sa.Column("people", sa.Integer, nullable=False),
        sa.Column("found", sa.JSON, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("finished_at", sa.Float),
        sa.UniqueConstraint("command_id", "at"),
    )
    op.create_index("forgettings_by_model", "forgettings", ["model", "id"])
    op.create_table(
        "forgotten",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("column", sa.String, nullable=False),
        sa.Column("mark", sa.String, nullable=False),
        sa.Column("forgetting_id", sa.Integer, sa.ForeignKey("forgettings.id"), nullable=False),
        sa.UniqueConstraint("model", "column", "mark"),
    )
