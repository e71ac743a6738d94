"""All that the planner may know of a model, read from the ledger in one transaction."""

from typing import Any

from sqlalchemy import Connection, func, select

from daemon.ledger import cycles, due, models, promotions
from daemon.ledger import files as file_queries
from daemon.ledger.tables import checks, files, versions
from retrain.records import Champion, Evidence, Observation, PlannerState


def observe(conn: Connection, model: str, backlog: int, state: PlannerState) -> Observation:
    """What the ledger says now; `backlog` is what the intake still has to take in."""
    usable = files.c.model == model, files.c.state == "accepted"
    labelled = file_queries.labelled_rows(conn, model)
    newest = conn.scalar(select(func.max(files.c.seq)).where(files.c.model == model)) or 0
    row, champion = models.get(conn, model), _champion(conn, model)
    return Observation(
        labelled_rows=labelled,
        new_labelled_rows=max(0, labelled - file_queries.labelled_rows(conn, model, state.seen_seq)),
        class_rows=_class_rows(conn, usable) if champion is None else {},
        newest_seq=newest,
        champion=champion,
        open_cycle=cycles.current(conn, model),
        evidence=tuple(_evidence(conn, model, state.handled_check, champion)),
        due=due.pending(conn, model, "retrain"),
        manual=due.pending(conn, model, "manual"),
        paused=bool(row is not None and row.paused),
        backlog=backlog,
    )


def _class_rows(conn: Connection, usable: tuple[Any, ...]) -> dict[str, int]:
    total: dict[str, int] = {}
    for (counts,) in conn.execute(select(files.c.class_rows).where(*usable)):
        for name, rows in (counts or {}).items():
            total[name] = total.get(name, 0) + rows
    return total


def _champion(conn: Connection, model: str) -> Champion | None:
    champion = promotions.champion(conn, model)
    if champion is None:
        return None
    name = max(champion.deployment.members, key=lambda m: m.weight).version
    row = conn.execute(
        select(versions.c.train_rows, versions.c.seen_seq).where(versions.c.model == model, versions.c.name == name)
    ).first()
    rows, seen = (row.train_rows, row.seen_seq) if row is not None else (0, 0)
    return Champion(champion.deployment.number, champion.deployment.name, champion.at, rows, seen)


def _evidence(conn: Connection, model: str, handled: int, champion: Champion | None) -> list[Evidence]:
    """Checks against an earlier champion say nothing about today's, those of held files nothing about data."""
    if champion is None:
        return []
    columns = (checks.c.id, checks.c.drift, checks.c.drifted, checks.c.dropped, checks.c.performance, files.c.seq)
    query = select(*columns).select_from(checks.outerjoin(files, checks.c.file_id == files.c.id))
    wanted = checks.c.model == model, checks.c.id > handled, checks.c.deployment == champion.deployment
    trusted = files.c.state.is_distinct_from("held")
    rows = conn.execute(query.where(*wanted, trusted).order_by(checks.c.id))
    found = []
    for row in rows:
        performance = row.performance or {}
        found.append(
            Evidence(
                row.id, row.seq, row.drift, tuple(row.drifted), row.dropped, performance.get("drop"),
                performance.get("metric"),
            )
        )  # fmt: skip
    return found
