"""For the timeline of a model: roll-backs keep their evidence, and an index finds, among all log events, the files that
were held or let in."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Roll-backs of before have none."""
    op.add_column("promotions", sa.Column("evidence", sa.JSON))
    of_files = sa.text("event IN ('file_held', 'file_released')")
    op.create_index("events_of_files", "events", ["model", "id"], sqlite_where=of_files)
