"""What was answered to groups of rows, where that leaves them, and the episodes in which some do worse or differ."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Nothing was counted before; the next assessment counts the files whose answers are there."""
    op.create_table(
        "group_counts",
        sa.Column("check_id", sa.Integer, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("found", sa.JSON, nullable=False),
    )
    op.create_index("group_counts_by_model", "group_counts", ["model", "check_id"])
    op.create_table(
        "group_summaries",
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("brief", sa.JSON, nullable=False),
        sa.Column("found", sa.JSON, nullable=False),
    )
    op.create_table(
        "group_episodes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("opened_at", sa.Float, nullable=False),
        sa.Column("closed_at", sa.Float, nullable=True),
        sa.Column("found", sa.JSON, nullable=False),
    )
    op.create_index(
        "one_open_group_episode", "group_episodes", ["model", "kind"], unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
    )  # fmt: skip
