"""Files that were scored as they were dropped, and what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """None was scored before."""
    op.create_table(
        "scored",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("size", "mtime_ns", "ctime_ns", "inode")),
        *(sa.Column(name, sa.String) for name in ("sha256", "result_sha256", "version", "deployment", "result")),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("rows", "rejected", "logged")),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("finished_at", sa.Float),
    )
    op.create_index("scored_by_path", "scored", ["model", "path", "id"])
    op.create_index("scored_by_content", "scored", ["model", "sha256", "id"])
    op.create_index("scored_by_state", "scored", ["model", "state", "id"])
