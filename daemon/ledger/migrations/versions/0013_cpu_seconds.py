"""What deciding costs: CPU seconds of workers by day, newest cycle and purpose."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Counted from now on."""
    op.create_table(
        "cpu_seconds",
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("cycle_id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("model", "day", "cycle_id", "purpose"),
    )
