"""Deployments: what a slot serves, numbered within the model."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from daemon.ledger.tables import deployments
from retrain.records.deployment import Deployment, Member


def for_version(conn: Connection, model: str, version: str, now: float) -> Deployment:
    """The deployment of one version alone, made if it is new."""
    return for_members(conn, model, {version: 1.0}, None, now)


def for_members(
    conn: Connection, model: str, weights: Mapping[str, float], recalibration: Mapping[str, Any] | None, now: float
) -> Deployment:
    """The deployment of versions with these weights behind a recalibration, made if it is new."""
    ranked = sorted(weights.items(), key=lambda member: (-member[1], member[0]))
    members = [{"version": version, "weight": weight} for version, weight in ranked]
    digest = hashlib.sha256(json.dumps([members, recalibration], sort_keys=True).encode()).hexdigest()
    same = deployments.c.model == model, deployments.c.digest == digest
    row = conn.execute(select(deployments).where(*same)).first()
    if row is None:
        newest = conn.scalar(select(func.max(deployments.c.number)).where(deployments.c.model == model)) or 0
        values = {"model": model, "number": newest + 1, "digest": digest, "members": members, "created_at": now}
        values["calibration"] = recalibration
        conn.execute(insert(deployments).values(**values))
        row = conn.execute(select(deployments).where(*same)).one()
    return as_record(row)


def as_record(row: Row[Any]) -> Deployment:
    """A row as the frozen value."""
    members = tuple(Member(m["version"], m["weight"]) for m in row.members)
    return Deployment(row.number, row.model, members, row.calibration, row.digest)
