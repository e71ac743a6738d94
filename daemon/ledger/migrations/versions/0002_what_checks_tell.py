"""What checks tell besides: estimated performance, and changes that a detector saw in the stream of errors."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Older checks have neither; detectors begin anew."""
    op.add_column("checks", sa.Column("estimated", sa.JSON(), nullable=True))
    op.add_column("checks", sa.Column("stream", sa.JSON(), nullable=True))
    op.create_table(
        "error_streams",
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("deployment", sa.Integer(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("model"),
    )
