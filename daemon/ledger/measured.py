"""What is measured of all models, in as many statements for three hundred of them as for one, and of long rows only
what is a number: what Prometheus is told."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, func, select

from daemon.ledger.tables import (
    checks,
    cycles,
    episodes,
    files,
    group_episodes,
    models,
    newest_performance,
    outbox,
    promotions,
    versions,
)

Counts = dict[tuple[str, str], int]
"""By model and kind."""


def cycles_by_state(conn: Connection) -> Counts:
    """How many cycles there were, those under way among them."""
    return _counts(conn, cycles, cycles.c.state)


def promotions_by_kind(conn: Connection) -> Counts:
    """How often what is served was changed, by how."""
    return _counts(conn, promotions, promotions.c.kind)


def _counts(conn: Connection, table: Table, kind: ColumnElement[str]) -> Counts:
    query = select(table.c.model, kind, func.count()).group_by(table.c.model, kind)
    return {(model, name): count for model, name, count in conn.execute(query)}


def newest_files(conn: Connection) -> dict[str, float]:
    """By model, when its newest file was taken in or refused (Unix seconds)."""
    return {row.model: row.at for row in _newest(conn, files, files.c.at)}


def newest_checks(conn: Connection) -> dict[str, Row[Any]]:
    """By model, of its newest check: when it ended (`at`, Unix seconds), the `drifted` columns, and whether performance
    `dropped`."""
    at = (checks.c.started_at + checks.c.seconds).label("at")
    return {row.model: row for row in _newest(conn, checks, at, checks.c.drifted, checks.c.dropped)}


def _newest(conn: Connection, table: Table, *columns: ColumnElement[Any]) -> Iterable[Row[Any]]:
    mine = select(table.c.id).where(table.c.model == models.c.name).correlate(models)
    newest = mine.order_by(table.c.id.desc()).limit(1).scalar_subquery()
    return conn.execute(select(table.c.model, *columns).select_from(models.join(table, table.c.id == newest)))


def drifting(conn: Connection) -> set[str]:
    """The models with a drift episode that has not ended."""
    return set(conn.scalars(select(episodes.c.model).where(episodes.c.closed_at.is_(None))))


def group_episodes_open(conn: Connection) -> set[tuple[str, str]]:
    """The models with an episode of groups that has not ended, each with its kind."""
    query = select(group_episodes.c.model, group_episodes.c.kind).where(group_episodes.c.closed_at.is_(None))
    return {(model, kind) for model, kind in conn.execute(query)}


def trained_at(conn: Connection, names: Mapping[str, str]) -> dict[str, float]:
    """By model, when the version of that name was trained (Unix seconds)."""
    query = select(versions.c.model, versions.c.name, versions.c.created_at)
    found = conn.execute(query.where(versions.c.name.in_(set(names.values()))))
    return {row.model: row.created_at for row in found if names.get(row.model) == row.name}


def performances(conn: Connection, names: Mapping[str, str]) -> dict[str, Row[Any]]:
    """By model, the newest performance of the version of that name: `labelled` and `estimated`."""
    query = select(newest_performance).where(newest_performance.c.version.in_(set(names.values())))
    return {row.model: row for row in conn.execute(query) if names.get(row.model) == row.version}


def of_models(conn: Connection) -> Iterable[Row[Any]]:
    """Of each model its `name`, whether it is `paused`, its `planner` and its `labels`."""
    return conn.execute(select(models.c.name, models.c.paused, models.c.planner, models.c.labels))


def waiting_messages(conn: Connection) -> int:
    """Messages to all destinations that have not arrived yet."""
    return conn.scalar(select(func.count()).select_from(outbox).where(outbox.c.state == "waiting")) or 0
