"""What the ledger keeps of a model besides its files: inferred schema, planner state, whether it is paused."""

from typing import Any

from sqlalchemy import Connection, Row, select, update

from daemon.ledger.rows import insert_or_skip
from daemon.ledger.tables import models
from retrain.records.planner_state import PlannerState


def ensure(conn: Connection, name: str) -> None:
    """Have a row for the model."""
    insert_or_skip(conn, models, {"name": name})


def get(conn: Connection, name: str) -> Row[Any] | None:
    """The model's row; None where the service never ran with it."""
    return conn.execute(select(models).where(models.c.name == name)).first()


def load_schema(conn: Connection, name: str) -> dict[str, Any] | None:
    """The schema that was inferred, as JSON."""
    schema: dict[str, Any] | None = conn.scalar(select(models.c.schema).where(models.c.name == name))
    return schema


def save_schema(conn: Connection, name: str, schema: dict[str, Any]) -> None:
    """Fix the schema that was inferred."""
    conn.execute(update(models).where(models.c.name == name).values(schema=schema))


def load_planner(conn: Connection, name: str) -> PlannerState:
    """What the planner remembers."""
    stored = conn.scalar(select(models.c.planner).where(models.c.name == name))
    return PlannerState.from_json(stored) if stored else PlannerState()


def save_planner(conn: Connection, name: str, state: PlannerState, reason: str) -> None:
    """Write what the planner remembers, and why it does what it does; nothing where nothing changed."""
    row = conn.execute(select(models.c.planner, models.c.waits_for).where(models.c.name == name)).one()
    if row.planner != state.to_json() or row.waits_for != reason:
        conn.execute(update(models).where(models.c.name == name).values(planner=state.to_json(), waits_for=reason))


def load_settling(conn: Connection, name: str) -> dict[str, Any] | None:
    """The longest pause that was seen while files were written, as JSON."""
    settling: dict[str, Any] | None = conn.scalar(select(models.c.settling).where(models.c.name == name))
    return settling


def save_settling(conn: Connection, name: str, settling: dict[str, Any]) -> None:
    """Write it down."""
    conn.execute(update(models).where(models.c.name == name).values(settling=settling))


def batches(conn: Connection, name: str) -> float:
    """How much data was taken in since ever, as the budget counts it: a file of 200 to 1,000 rows is one batch, a
    shorter one less, a longer one three at most. What is held, forgotten or superseded does not count."""
    return float(conn.scalar(select(models.c.taken_in).where(models.c.name == name)) or 0) / 1000


def set_paused(conn: Connection, name: str, paused: bool) -> None:
    """Stop or resume the opening of cycles."""
    conn.execute(update(models).where(models.c.name == name).values(paused=paused))
