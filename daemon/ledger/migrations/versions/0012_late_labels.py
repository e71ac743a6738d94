"""How far labels are in; how much data was taken in, for the budget; and a planner that folds what labels show anew.

Triggers count what was taken in, since rows of files leave the ledger and the budget must not go back with them."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
KEEP_PROPOSAL = """
    UPDATE assessments SET found = json_set(found, '$.proposal', json(
        (SELECT found FROM assessments WHERE kind = 'proposal' AND model = :name ORDER BY id DESC LIMIT 1)
    )) WHERE kind = 'file' AND model = :name AND seq = :seq
"""


def upgrade() -> None:
    """What was added up of labels until now is where the planner goes on from; what was taken in is counted of the
    files that there are. Files of rows keep their place in the order of arrival as their number among them: by it rows
    are held out."""
    op.add_column("files", sa.Column("number", sa.Integer(), nullable=True))
    op.execute("UPDATE files SET number = seq WHERE kind = 'rows'")
    op.add_column("models", sa.Column("labels", sa.JSON(), nullable=True))
    op.add_column("models", sa.Column("settled", sa.JSON(), nullable=True))
    op.add_column("models", sa.Column("taken_in", sa.Integer(), nullable=False, server_default="0"))
    total = f"SELECT coalesce(sum({_thousandths('files')}), 0) FROM files WHERE {_counts('files')}"  # noqa: S608
    op.execute(f"UPDATE models SET taken_in = ({total} AND files.model = models.name)")  # noqa: S608 - names of ours
    for trigger in _triggers():
        op.execute(trigger)
    _planners_go_on()


def _thousandths(row: str) -> str:
    """Of a batch, as the budget counts a file: a full one from 200 rows on, three at most."""
    return f"CASE WHEN {row}.rows <= 1000 THEN min(1000, 5 * {row}.rows) ELSE min(3000, {row}.rows) END"


def _counts(row: str) -> str:
    return f"{row}.kind = 'rows' AND {row}.state IN ('accepted', 'expired')"


def _add(row: str, sign: str) -> str:
    add = f"UPDATE models SET taken_in = taken_in {sign} ({_thousandths(row)})"  # noqa: S608 - names of ours
    return f"{add} WHERE name = {row}.model AND {_counts(row)};"


def _triggers() -> tuple[str, ...]:
    return (
        f"CREATE TRIGGER taken_in_counted AFTER INSERT ON files BEGIN {_add('new', '+')} END",
        "CREATE TRIGGER taken_in_counted_again AFTER UPDATE OF model, state, kind, rows ON files "
        f"BEGIN {_add('old', '-')} {_add('new', '+')} END",
    )


def _planners_go_on() -> None:
    """Those of the newest version's files go on to tell of it; the others are spent."""
    conn = op.get_bind()
    rows = conn.execute(sa.text("SELECT name, planner, taken_in FROM models WHERE planner IS NOT NULL")).all()
    for name, planner, taken_in in rows:
        state = json.loads(planner)
        if state is None:
            continue
        of_model = "FROM assessments WHERE kind = 'file' AND model = :name"
        newest = conn.execute(sa.text(f"SELECT max(seq) {of_model}"), {"name": name}).scalar() or 0
        watched = {"name": name, "version": state.get("probation", {}).get("version", "")}
        of_version = f"SELECT min(seq) - 1 {of_model} AND json_extract(found, '$.newest') = :version"
        before = conn.execute(sa.text(of_version), watched).scalar()
        conn.execute(sa.text(KEEP_PROPOSAL), {"name": name, "seq": newest})
        state |= {"version": 3, "base_seq": newest, "watch_seq": newest if before is None else before}
        state |= {"batches": taken_in / 1000} | ({"base": state["regret"]} if "regret" in state else {})
        values = {"planner": json.dumps(state), "name": name}
        conn.execute(sa.text("UPDATE models SET planner = :planner WHERE name = :name"), values)
