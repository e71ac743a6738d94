"""Deployments: what a slot serves, numbered within the model."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from daemon.ledger.tables import deployments, versions
from retrain.records.deployment import Deployment, Member

VALUES = ("number", "model", "members", "calibration", "digest")
NAMED = re.compile(r"d(\d+)-[0-9a-f]+")
"""The name of a blend: the deployment's number and the first digits of its digest."""


def for_version(conn: Connection, model: str, version: str, now: float) -> Deployment:
    """The deployment of one version alone, with the decision that was recorded with it, made if it is new."""
    chosen = versions.c.model == model, versions.c.name == version
    metrics = conn.scalar(select(versions.c.metrics).where(*chosen)) or {}
    return for_members(conn, model, {version: 1.0}, metrics.get("decision"), now)


def for_members(
    conn: Connection, model: str, weights: Mapping[str, float], recalibration: Mapping[str, Any] | None, now: float
) -> Deployment:
    """The deployment of versions with these weights behind a recalibration, made if it is new."""
    newest = conn.scalar(select(func.max(deployments.c.number)).where(deployments.c.model == model)) or 0
    wanted = Deployment.of(newest + 1, model, weights, recalibration)
    same = deployments.c.model == model, deployments.c.digest == wanted.digest
    row = conn.execute(select(deployments).where(*same)).first()
    if row is not None:
        return as_record(row)
    values = {
        "model": model,
        "number": wanted.number,
        "digest": wanted.digest,
        "members": [asdict(member) for member in wanted.members],
        "calibration": recalibration,
        "created_at": now,
    }
    conn.execute(insert(deployments).values(**values))
    return wanted


def by_key(conn: Connection, key: int) -> Deployment:
    """The deployment of a row's key."""
    return as_record(conn.execute(select(deployments).where(deployments.c.id == key)).one())


def numbered(conn: Connection, model: str, number: int | None) -> Deployment | None:
    """A model's deployment of this number; None where there is none."""
    chosen = deployments.c.model == model, deployments.c.number == number
    row = conn.execute(select(deployments).where(*chosen)).first()
    return None if row is None else as_record(row)


def of_numbers(conn: Connection, model: str, numbers: Collection[int]) -> dict[int, Deployment]:
    """A model's deployments of these numbers, as far as there are any."""
    chosen = deployments.c.model == model, deployments.c.number.in_(numbers)
    return {row.number: as_record(row) for row in conn.execute(select(deployments).where(*chosen))}


def described(conn: Connection, model: str, name: str) -> str:
    """For people, what answers call `name`: which versions are blended; a version's name as it is."""
    found = NAMED.fullmatch(name)
    if found is None:
        return name
    deployment = numbered(conn, model, int(found[1]))
    return name if deployment is None else deployment.described


def key_of(conn: Connection, deployment: Deployment) -> int:
    """The key of its row."""
    chosen = deployments.c.model == deployment.model, deployments.c.number == deployment.number
    key: int = conn.execute(select(deployments.c.id).where(*chosen)).scalar_one()
    return key


def as_record(row: Row[Any]) -> Deployment:
    """A row as the frozen value."""
    return of_values(*(getattr(row, name) for name in VALUES))


def of_values(
    number: int, model: str, members: Sequence[Mapping[str, Any]], calibration: dict[str, Any] | None, digest: str
) -> Deployment:
    """The same of what is in the columns VALUES."""
    found = tuple(Member(one["version"], one["weight"]) for one in members)
    return Deployment(number, model, found, calibration, digest)
