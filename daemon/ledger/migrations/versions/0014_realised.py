"""What became of the gate's forecast of each cycle."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Cycles of before foretold nothing."""
    op.add_column("cycles", sa.Column("realised", sa.JSON))
