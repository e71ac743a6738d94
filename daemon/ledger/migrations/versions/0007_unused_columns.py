"""Two columns go that nobody read or wrote: a snapshot's name carries its digest, and the configuration says which
versions are pinned."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Every other column keeps its values."""
    op.drop_column("files", "snapshot_digest")
    op.drop_column("versions", "pinned")
