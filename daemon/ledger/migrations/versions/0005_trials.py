"""Trials: challengers beside the champion; a cycle on trial is unfinished."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Older cycles had no trial."""
    op.create_table(
        "trials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("cycle_id", sa.Integer(), nullable=False),
        sa.Column("deployment_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("latest", sa.Float(), nullable=False),
        sa.Column("min_rows", sa.Integer(), nullable=False),
        sa.Column("max_failures", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("compared", sa.Integer(), nullable=False),
        sa.Column("differed", sa.Float(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("champion_s", sa.Float(), nullable=False),
        sa.Column("challenger_s", sa.Float(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["cycle_id"], ["cycles.id"]),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployments.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("cycle_id"),
    )
    op.create_index("one_running_trial", "trials", ["model"], unique=True, sqlite_where=sa.text("outcome = ''"))
    op.drop_index("one_open_cycle", "cycles")
    unfinished = sa.text("state IN ('open', 'awaiting_approval', 'on_trial')")
    op.create_index("one_open_cycle", "cycles", ["model"], unique=True, sqlite_where=unfinished)
