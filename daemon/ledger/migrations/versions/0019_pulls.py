"""What was pulled of databases, and up to which watermark."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Nothing was pulled before."""
    op.create_table(
        "pulls",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("watermark", sa.String, nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("is_taken", sa.Boolean, nullable=False),
        sa.Column("is_kept", sa.Boolean, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("pulls_by_model", "pulls", ["model", "id"])
