"""The versions in the store, as the ledger knows them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from daemon.ledger import cycles
from daemon.ledger.rows import insert_or_skip
from daemon.ledger.tables import versions
from retrain.records.cycle import Cycle


def record(conn: Connection, model: str, cycle: Cycle, result: dict[str, Any], now: float) -> None:
    """Write the version that a cycle's promote stage published."""
    done = cycles.results(conn, cycle.id)
    evaluated = done.get("evaluate") or done.get("prepare", {})
    kept = "metric", "rows", "challenger", "champion", "baseline", "difference", "difference_se", "handicap", "decision"
    values = {
        "model": model,
        "name": result["version"],
        "number": cycle.number,
        "digest": result["digest"],
        "cycle_id": cycle.id,
        "created_at": now,
        "train_rows": done.get("train", {}).get("train_rows", 0),
        "seen_seq": cycle.up_to_seq,
        "metrics": {key: evaluated.get(key) for key in kept}
        | {"known_rows": done.get("prepare", {}).get("known_rows", 0)}
        | ({"learned": large["words"]} if (large := done.get("prepare", {}).get("large")) else {}),
    }
    insert_or_skip(conn, versions, values)


def stored(conn: Connection, model: str) -> Sequence[Row[Any]]:
    """The versions that the store holds, oldest first."""
    query = select(versions).where(versions.c.model == model, versions.c.state == "stored")
    return conn.execute(query.order_by(versions.c.number)).all()


def listed(conn: Connection, model: str) -> Sequence[Row[Any]]:
    """All versions, removed ones too, oldest first."""
    return conn.execute(select(versions).where(versions.c.model == model).order_by(versions.c.number)).all()


def named(conn: Connection, model: str, name: str) -> Row[Any] | None:
    """A version by its name; None where there is none."""
    return conn.execute(select(versions).where(versions.c.model == model, versions.c.name == name)).first()


def removed(conn: Connection, model: str) -> list[str]:
    """The names of those that retention let go."""
    gone = versions.c.model == model, versions.c.state == "removed"
    return [row.name for row in conn.execute(select(versions.c.name).where(*gone))]


def mark_removed(conn: Connection, model: str, name: str) -> None:
    """Note that retention removed a version."""
    chosen = versions.c.model == model, versions.c.name == name
    conn.execute(update(versions).where(*chosen).values(state="removed"))
