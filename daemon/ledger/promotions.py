"""Promotions: the newest one of a model says who is the champion."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select, update

from daemon.ledger import hooks
from daemon.ledger.deployments import VALUES, as_record, by_key, key_of, of_values
from daemon.ledger.rows import hint, insert_row, last_row, last_rows, newest_of_each
from daemon.ledger.tables import deployments, promotions, versions
from retrain.records.deployment import Champion, Deployment

BEFORE = deployments.alias("before")
CHAMPION = (
    select(
        promotions, *(deployments.c[name] for name in VALUES), *(BEFORE.c[name] for name in VALUES),
        versions.c.seen_seq, versions.c.train_rows, versions.c.metrics,
    )
    .select_from(
        promotions.join(deployments, deployments.c.id == promotions.c.deployment_id)
        .outerjoin(BEFORE, BEFORE.c.id == promotions.c.predecessor_id)
        .outerjoin(versions, and_(versions.c.model == promotions.c.model, versions.c.name == promotions.c.newest))
    )
    .order_by(promotions.c.id.desc())
    .limit(1)
)  # fmt: skip
"""The newest promotion first, then what it serves, what was served before, and its newest version."""


@dataclass(frozen=True)
class RolledBack:
    """Instead of `undone` what was `served` before answers again; `version` is the newest one of what went, or where
    that stayed, as in a blend of other weights, what went as answers name it."""

    version: str
    undone: Deployment
    served: Deployment
    reason: str
    at: float
    evidence: tuple[dict[str, Any], ...]


def champion(conn: Connection, model: str) -> Champion | None:
    """The last committed promotion; None before the first. One statement: it is asked at every turn."""
    found = conn.execute(CHAMPION.where(promotions.c.model == model)).first()
    if found is None:
        return None
    values, start = tuple(found), len(promotions.c)
    served, before = (values[at : at + len(VALUES)] for at in (start, start + len(VALUES)))
    deployment = of_values(*served)
    predecessor = None if found.predecessor_id is None else of_values(*before)
    version = found if found.metrics is not None else None
    if found.newest is None:  # by an earlier version of this program
        version = _version(conn, model, deployment.members[0].version)
    return _champion(found, deployment, predecessor, version)


def champions(conn: Connection) -> tuple[dict[str, Champion], dict[str, dict[str, Any]]]:
    """All models' last committed promotions, by model, and the metrics of their newest versions."""
    rows = newest_of_each(conn, promotions)
    keys = {key for row in rows.values() for key in (row.deployment_id, row.predecessor_id) if key is not None}
    found = conn.execute(select(deployments).where(deployments.c.id.in_(keys)))
    served = {row.id: as_record(row) for row in found}
    mine = and_(versions.c.model == promotions.c.model, versions.c.name == promotions.c.newest)
    query = select(versions).select_from(promotions.join(versions, mine))
    trained: dict[str, Row[Any] | None] = {
        row.model: row for row in conn.execute(query.where(promotions.c.id.in_([row.id for row in rows.values()])))
    }
    for model, row in rows.items():
        if row.newest is None:  # by an earlier version of this program
            trained[model] = _version(conn, model, served[row.deployment_id].members[0].version)
    made = {
        model: _champion(row, served[row.deployment_id], served.get(row.predecessor_id), trained.get(model))
        for model, row in rows.items()
    }
    return made, {model: row.metrics or {} for model, row in trained.items() if row is not None}


def _champion(
    row: Row[Any], deployment: Deployment, predecessor: Deployment | None, version: Row[Any] | None
) -> Champion:
    """Of a promotion, and of the row of its newest version where that is known."""
    newest, era = row.newest or deployment.members[0].version, row.era or deployment.number
    seen_seq = 0 if version is None else version.seen_seq
    known_rows = 0 if version is None else version.metrics.get("known_rows") or version.train_rows
    is_rollback = row.kind == "rollback"
    fixed = row.kind == "manual" or (is_rollback and row.evidence is None)
    return Champion(
        deployment, row.id, row.at, row.reason, newest, era, predecessor, fixed, seen_seq, known_rows, is_rollback
    )  # fmt: skip


def record(
    conn: Connection,
    model: str,
    deployment: Deployment,
    kind: str,
    reason: str,
    now: float,
    cycle_id: int | None = None,
    evidence: list[dict[str, Any]] | None = None,
) -> None:
    """A deployment becomes the champion; of a roll-back `evidence` are the files that asked for it. After a roll-back
    the predecessor is what came before the one that was rolled back to, so that rolling back twice goes back two steps;
    an adjustment keeps the predecessor."""
    before = champion(conn, model)
    predecessor = key_of(conn, before.deployment) if before is not None else None
    newest, era = deployment.members[0].version, deployment.number
    if kind == "rollback":
        predecessor, its_newest = _before(conn, model, deployment)
        newest = its_newest or newest
    elif kind == "reweigh" and before is not None:
        predecessor = None if before.predecessor is None else key_of(conn, before.predecessor)
        newest, era = before.newest, before.era
    values = {
        "model": model,
        "deployment_id": key_of(conn, deployment),
        "predecessor_id": predecessor,
        "kind": kind,
        "cycle_id": cycle_id,
        "reason": reason,
        "evidence": evidence,
        "at": now,
        "newest": newest,
        "era": era,
    }
    promotion_id = insert_row(conn, promotions, values)
    hint(conn)
    if kind not in ("reweigh", "reference"):
        hooks.add(conn, model, promotion_id, now)


def get(conn: Connection, promotion_id: int) -> Row[Any]:
    """A promotion."""
    return conn.execute(select(promotions).where(promotions.c.id == promotion_id)).one()


def previous(conn: Connection, row: Row[Any]) -> Row[Any] | None:
    """The promotion of the same model before one."""
    return last_row(conn, promotions, promotions.c.model == row.model, promotions.c.id < row.id)


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
    return {member.version for deployment in served for member in deployment.members} | {now.newest}


def apart_from_cycles(conn: Connection, model: str | None, last: int) -> Sequence[Row[Any]]:
    """The newest promotions that no cycle led to: by hand, roll-backs and adjustments; newest last."""
    wanted = [promotions.c.cycle_id.is_(None)] + ([] if model is None else [promotions.c.model == model])
    return last_rows(conn, promotions, last, *wanted)


def eras(conn: Connection, model: str, numbers: Collection[int]) -> dict[int, tuple[str, list[str]]]:
    """By the number of the deployment that an era began with: its newest version, and what answers called whatever was
    served in it."""
    found: dict[int, tuple[str, list[str]]] = {}
    query = select(promotions.c.era, promotions.c.newest, deployments).select_from(
        promotions.join(deployments, promotions.c.deployment_id == deployments.c.id)
    )
    for row in conn.execute(query.where(promotions.c.model == model).order_by(promotions.c.id)):
        served, era = as_record(row), row.era or row.number
        if era in numbers:
            _, names = found.setdefault(era, (row.newest or served.members[0].version, []))
            names += [served.name] if served.name not in names else []
    return found


def changes(conn: Connection, model: str, last: int = 1000) -> Sequence[Any]:
    """The newest changes of what is served, adjustments too, oldest first: when, and the newest version of it."""
    columns = promotions.c.id, promotions.c.at, promotions.c.newest
    query = select(*columns).where(promotions.c.model == model).order_by(promotions.c.id.desc()).limit(last)
    return conn.execute(query).all()[::-1]


def roll_backs(conn: Connection, model: str) -> Iterator[RolledBack]:
    """All roll-backs of a model, oldest first."""
    for row in last_rows(conn, promotions, None, promotions.c.model == model, promotions.c.kind == "rollback"):
        yield rolled_back(conn, row)


def rolled_back(conn: Connection, row: Row[Any]) -> RolledBack:
    """What the row of a roll-back undid."""
    before = previous(conn, row)
    undone = by_key(conn, before.deployment_id) if before is not None else by_key(conn, row.deployment_id)
    version = undone.name if before is None or before.newest in (None, row.newest) else before.newest
    return RolledBack(version, undone, by_key(conn, row.deployment_id), row.reason, row.at, tuple(row.evidence or ()))


def latest_id(conn: Connection) -> int:
    """The id of the newest promotion of any model; 0 before the first."""
    return conn.scalar(select(func.max(promotions.c.id))) or 0


def newest_ids(conn: Connection) -> dict[str, int]:
    """By model, the id of its newest promotion."""
    query = select(promotions.c.model, func.max(promotions.c.id)).group_by(promotions.c.model)
    return {row[0]: row[1] for row in conn.execute(query)}


def models_since(conn: Connection, promotion_id: int) -> list[str]:
    """The models that were promoted after a promotion."""
    return list(conn.scalars(select(promotions.c.model).where(promotions.c.id > promotion_id).distinct()))


def _version(conn: Connection, model: str, name: str) -> Row[Any] | None:
    """What the ledger has of a version."""
    return conn.execute(select(versions).where(versions.c.model == model, versions.c.name == name)).first()


def _before(conn: Connection, model: str, deployment: Deployment) -> tuple[int | None, str | None]:
    """What was served before this deployment was first promoted, and its own newest version."""
    query = select(promotions.c.predecessor_id, promotions.c.newest).where(
        promotions.c.model == model, promotions.c.deployment_id == key_of(conn, deployment)
    )
    row = conn.execute(query.order_by(promotions.c.id).limit(1)).first()
    return (None, None) if row is None else (row.predecessor_id, row.newest)
