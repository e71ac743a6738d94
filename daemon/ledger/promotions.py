"""Promotions: the newest one of a model says who is the champion."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from daemon.ledger.deployments import as_record
from daemon.ledger.tables import deployments, promotions
from retrain.records import Deployment


@dataclass(frozen=True)
class ChampionRow:
    """Who is served by right of which promotion, and who was served before."""

    promotion: int
    deployment: Deployment
    predecessor: Deployment | None
    at: float
    reason: str


def champion(conn: Connection, model: str) -> ChampionRow | None:
    """The last committed promotion; None before the first."""
    query = select(promotions).where(promotions.c.model == model).order_by(promotions.c.id.desc()).limit(1)
    row = conn.execute(query).first()
    if row is None:
        return None
    predecessor = _deployment(conn, row.predecessor_id) if row.predecessor_id is not None else None
    return ChampionRow(row.id, _deployment(conn, row.deployment_id), predecessor, row.at, row.reason)


def record(
    conn: Connection,
    model: str,
    deployment: Deployment,
    kind: str,
    reason: str,
    now: float,
    cycle_id: int | None = None,
) -> None:
    """A deployment becomes the champion. After a roll-back the predecessor is what came before the one that
    was rolled back to, so that rolling back twice goes back two steps."""
    before = champion(conn, model)
    predecessor = _id(conn, before.deployment) if before is not None else None
    if kind == "rollback":
        predecessor = _before(conn, model, deployment)
    values = {
        "model": model,
        "deployment_id": _id(conn, deployment),
        "predecessor_id": predecessor,
        "kind": kind,
        "cycle_id": cycle_id,
        "reason": reason,
        "at": now,
    }
    conn.execute(insert(promotions).values(**values))


def mark_swapped(conn: Connection, promotion_id: int, now: float) -> None:
    """A server acknowledged the swap; the first acknowledgement counts."""
    chosen = promotions.c.id == promotion_id, promotions.c.swapped_at.is_(None)
    conn.execute(update(promotions).where(*chosen).values(swapped_at=now))


def protected_versions(conn: Connection, model: str) -> set[str]:
    """The versions of the champion and of its predecessor."""
    now = champion(conn, model)
    if now is None:
        return set()
    served = [now.deployment, *([now.predecessor] if now.predecessor is not None else [])]
    return {member.version for deployment in served for member in deployment.members}


def listed(conn: Connection, model: str) -> Sequence[Row[Any]]:
    """All promotions of a model, oldest first."""
    return conn.execute(select(promotions).where(promotions.c.model == model).order_by(promotions.c.id)).all()


def latest_id(conn: Connection) -> int:
    """The id of the newest promotion of any model; 0 before the first."""
    return conn.scalar(select(func.max(promotions.c.id))) or 0


def _before(conn: Connection, model: str, deployment: Deployment) -> int | None:
    """What was served before this deployment was first promoted."""
    query = select(promotions.c.predecessor_id).where(
        promotions.c.model == model, promotions.c.deployment_id == _id(conn, deployment)
    )
    found: int | None = conn.scalar(query.order_by(promotions.c.id).limit(1))
    return found


def _deployment(conn: Connection, deployment_id: int) -> Deployment:
    return as_record(conn.execute(select(deployments).where(deployments.c.id == deployment_id)).one())


def _id(conn: Connection, deployment: Deployment) -> int:
    chosen = deployments.c.model == deployment.model, deployments.c.number == deployment.number
    key: int = conn.execute(select(deployments.c.id).where(*chosen)).scalar_one()
    return key
