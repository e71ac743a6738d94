"""What the ledger keeps of a model besides its files: inferred schema, planner state, whether it is paused."""

from typing import Any

from sqlalchemy import Connection, Row, select, update

from daemon.ledger.rows import insert_or_skip, read_once
from daemon.ledger.tables import models
from retrain.records.planner_state import PlannerState


def ensure(conn: Connection, name: str) -> None:
    """Have a row for the model."""
    insert_or_skip(conn, models, {"name": name})


def get(conn: Connection, name: str) -> Row[Any] | None:
    """The model's row; None where the service never ran with it."""
    return conn.execute(select(models).where(models.c.name == name)).first()


def brief(conn: Connection, name: str) -> Any:
    """What of the row is small and often asked: `schema`, `planner`, `classes`."""
    columns = models.c.schema, models.c.planner, models.c.classes
    query = select(*columns).where(models.c.name == name)
    return read_once(conn, ("models", name), lambda: conn.execute(query).first())


def load_schema(conn: Connection, name: str) -> dict[str, Any] | None:
    """The schema that was inferred, as JSON."""
    row = brief(conn, name)
    return None if row is None else row.schema


def save_schema(conn: Connection, name: str, schema: dict[str, Any]) -> None:
    """Fix the schema that was inferred."""
    conn.execute(update(models).where(models.c.name == name).values(schema=schema))


def load_planner(conn: Connection, name: str) -> PlannerState:
    """What the planner remembers."""
    return planner_of(brief(conn, name))


def planner_of(row: Row[Any] | None) -> PlannerState:
    """The same of a model's row."""
    return PlannerState.from_json(row.planner) if row is not None and row.planner else PlannerState()


def save_planner(conn: Connection, name: str, state: PlannerState, reason: str, before: Row[Any] | None = None) -> None:
    """Write what the planner remembers, and why it does what it does; nothing where nothing changed since the model's
    row was read."""
    row = before or conn.execute(select(models.c.planner, models.c.waits_for).where(models.c.name == name)).one()
    if row.planner != state.to_json() or row.waits_for != reason:
        conn.execute(update(models).where(models.c.name == name).values(planner=state.to_json(), waits_for=reason))


def load_settling(conn: Connection, name: str) -> dict[str, Any] | None:
    """The longest pause that was seen while files were written, as JSON."""
    settling: dict[str, Any] | None = conn.scalar(select(models.c.settling).where(models.c.name == name))
    return settling


def save_settling(conn: Connection, name: str, settling: dict[str, Any]) -> None:
    """Write it down."""
    conn.execute(update(models).where(models.c.name == name).values(settling=settling))


def batches_of(row: Row[Any] | None) -> float:
    """How much data was taken in since ever, as a model's row has it and the budget counts it: a file of 200 to 1,000
    rows is one batch, a shorter one less, a longer one three at most. What is held, forgotten or superseded does not
    count."""
    return 0.0 if row is None else row.taken_in / 1000


def set_paused(conn: Connection, name: str, paused: bool) -> None:
    """Stop or resume the opening of cycles."""
    conn.execute(update(models).where(models.c.name == name).values(paused=paused))
