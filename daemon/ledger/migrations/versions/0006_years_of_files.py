"""Years of files: counts that are kept instead of counted, indexes for what is asked for each file, and the schema that
a file was read by."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
BUCKET = 1024


def upgrade() -> None:
    """Older files were read by a schema that nobody wrote down."""
    op.add_column("files", sa.Column("schema_digest", sa.String(), nullable=True))
    op.create_table(
        "file_totals",
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("labelled_rows", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("model", "bucket", "state", "kind"),
    )
    op.create_table(
        "newest_performance",
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("labelled", sa.JSON(), nullable=True),
        sa.Column("estimated", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("model", "version"),
    )
    op.execute(_refill())
    for name, column in (("labelled", "performance"), ("estimated", "estimated")):
        op.execute(_newest(name, column))
    for trigger in _triggers():
        op.execute(trigger)
    has_snapshot = sa.text("snapshot IS NOT NULL")
    op.create_index("files_by_model", "files", ["model", "id"])
    op.create_index("files_by_kind", "files", ["model", "kind", "state", "source", "seq"])
    op.create_index("files_by_snapshot", "files", ["model", "state", "snapshot"], sqlite_where=has_snapshot)
    newest = sa.text("coalesce(last_time, at)")
    op.create_index("files_by_time", "files", ["model", "kind", "state", newest])
    has_schema = sa.text("schema_digest IS NOT NULL")
    op.create_index("files_by_schema", "files", ["model", "schema_digest"], sqlite_where=has_schema)
    op.create_index("files_by_original", "files", ["duplicate_of"], sqlite_where=sa.text("duplicate_of IS NOT NULL"))
    op.create_index("checks_by_file", "checks", ["file_id", "id"], sqlite_where=sa.text("file_id IS NOT NULL"))
    op.create_index("events_by_model", "events", ["model", "id"])
    op.create_index("assessments_by_kind", "assessments", ["model", "kind", "id"])
    op.create_index("due_and_not_done", "due", ["model", "kind"], sqlite_where=sa.text("done_at IS NULL"))


def _newest(name: str, column: str) -> str:
    """The newest value of each version, which checks kept."""
    return f"""
        INSERT INTO newest_performance (model, version, {name})
        SELECT model, version, {column} FROM checks WHERE id IN (
            SELECT max(id) FROM checks WHERE json_extract({column}, '$.value') IS NOT NULL GROUP BY model, version
        )
        ON CONFLICT (model, version) DO UPDATE SET {name} = excluded.{name}
    """  # noqa: S608 - names of ours


def _refill() -> str:
    """Fill the table from the files."""
    return f"""
        INSERT INTO file_totals (model, bucket, state, kind, files, rows, labelled_rows)
        SELECT model, {_bucket("")}, state, kind, count(*), sum(rows), sum(labelled_rows)
        FROM files GROUP BY 1, 2, 3, 4
    """  # noqa: S608 - names of ours


def _bucket(row: str) -> str:
    return f"coalesce({row}seq, 0) / {BUCKET}"


def _add(row: str, sign: str) -> str:
    return f"""
        INSERT INTO file_totals (model, bucket, state, kind, files, rows, labelled_rows)
        VALUES ({row}.model, {_bucket(row + ".")}, {row}.state, {row}.kind, {sign}1, {sign}{row}.rows,
                {sign}{row}.labelled_rows)
        ON CONFLICT (model, bucket, state, kind) DO UPDATE SET files = files + excluded.files,
            rows = rows + excluded.rows, labelled_rows = labelled_rows + excluded.labelled_rows;
    """  # noqa: S608 - names of ours


def _triggers() -> tuple[str, ...]:
    return (
        f"CREATE TRIGGER files_counted_in AFTER INSERT ON files BEGIN {_add('new', '')} END",
        f"CREATE TRIGGER files_counted_out AFTER DELETE ON files BEGIN {_add('old', '-')} END",
        "CREATE TRIGGER files_counted_again AFTER UPDATE OF model, seq, state, kind, rows, labelled_rows ON files "
        f"BEGIN {_add('old', '-')} {_add('new', '')} END",
    )
