"""What is due may say more: which pipeline is to be adopted."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Nothing was to be adopted before."""
    op.add_column("due", sa.Column("args", sa.JSON, nullable=True))
