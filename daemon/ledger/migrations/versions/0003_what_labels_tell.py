"""What labels tell: assessments of files and proposals of what to serve; promotions name their newest version."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Older promotions served one version each."""
    op.create_table(
        "assessments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column("deployment", sa.Integer(), nullable=False),
        sa.Column("found", sa.JSON(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("assessments_by_model", "assessments", ["model", "id"])
    op.create_index(
        "one_assessment_a_file", "assessments", ["model", "seq"], unique=True, sqlite_where=sa.text("seq IS NOT NULL")
    )
    op.add_column("promotions", sa.Column("newest", sa.String(), nullable=True))
    op.add_column("promotions", sa.Column("era", sa.Integer(), nullable=True))
