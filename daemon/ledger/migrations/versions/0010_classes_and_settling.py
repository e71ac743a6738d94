"""Labels by class, kept instead of counted; the classes that a model knows; and how long its folder's files pause while
they are written."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0007"


def upgrade() -> None:
    """Which classes were learned is read from the stored versions until the next promotion."""
    op.add_column("models", sa.Column("classes", sa.JSON(), nullable=True))
    op.add_column("models", sa.Column("settling", sa.JSON(), nullable=True))
    op.create_table(
        "class_totals",
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("class", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("model", "class"),
    )
    op.execute("""
        INSERT INTO class_totals (model, class, rows)
        SELECT model, key, sum(value) FROM files, json_each(files.class_rows) WHERE state = 'accepted' GROUP BY 1, 2
    """)
    for trigger in _triggers():
        op.execute(trigger)


def _add(row: str, sign: str) -> str:
    return f"""
        INSERT INTO class_totals (model, class, rows)
        SELECT {row}.model, key, {sign}value FROM json_each({row}.class_rows) WHERE {row}.state = 'accepted'
        ON CONFLICT (model, class) DO UPDATE SET rows = rows + excluded.rows;
    """  # noqa: S608 - names of ours


def _triggers() -> tuple[str, ...]:
    return (
        f"CREATE TRIGGER classes_counted_in AFTER INSERT ON files BEGIN {_add('new', '')} END",
        f"CREATE TRIGGER classes_counted_out AFTER DELETE ON files BEGIN {_add('old', '-')} END",
        "CREATE TRIGGER classes_counted_again AFTER UPDATE OF model, state, class_rows ON files "
        f"BEGIN {_add('old', '-')} {_add('new', '')} END",
    )
