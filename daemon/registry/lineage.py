"""Which cycles the collector of OpenLineage is to hear of: read from the ledger, so that no kill leaves one out."""

from importlib.metadata import version as installed
from typing import Any

from sqlalchemy import Connection, or_, select

from daemon.config.config import Config, model_data_dir
from daemon.config.registries import OPENLINEAGE
from daemon.ledger import cycles, models, outbox, versions
from daemon.ledger.tables import cycles as cycle_table
from daemon.registry.run_event import Told, run_event
from daemon.registry.wanted import learned_from
from retrain.records.schema import Schema

NEWEST = 200
"""So many cycles are looked at."""


def write_events(conn: Connection, config: Config, now: float) -> None:
    """Write the events of cycles that began or ended and were not written yet, in their order; of those only that the
    outbox still knows of."""
    if config.openlineage is None:
        return
    since = now - min(config.openlineage.give_up, config.service.events)
    recent = or_(cycle_table.c.finished_at.is_(None), cycle_table.c.finished_at > since)
    chosen = cycle_table.c.model.in_(list(config.models)), recent
    query = select(cycle_table.c.id, cycle_table.c.finished_at).where(*chosen)
    rows = conn.execute(query.order_by(cycle_table.c.id.desc()).limit(NEWEST)).all()[::-1]
    keys = {f"{_stem(row.id)}{kind}" for row in rows for kind in ("begin", "end")}
    known = outbox.pending(conn, OPENLINEAGE, keys)
    for row in rows:
        begun, ended = f"{_stem(row.id)}begin", f"{_stem(row.id)}end"
        if begun in known and (ended in known or row.finished_at is None):
            continue
        told = _told(conn, config, row.id, row.finished_at)
        for key, kind in ((begun, "START"), (ended, told.ending)):
            if key not in known and kind is not None:
                outbox.add(conn, OPENLINEAGE, key, f"{told.cycle.model} {kind}", run_event(kind, told), now)


def lineage_standing(conn: Connection, config: Config) -> dict[str, Any] | None:
    """How many events wait, since when and why, how many arrived, and how many were given up; None without a
    collector."""
    return None if config.openlineage is None else outbox.standing(conn, OPENLINEAGE)


def _stem(cycle_id: int) -> str:
    return f"openlineage-{cycle_id}-"


def _told(conn: Connection, config: Config, cycle_id: int, finished_at: float | None) -> Told:
    assert config.openlineage is not None, "asked where there is one"
    cycle = cycles.get(conn, cycle_id)
    stored = models.load_schema(conn, cycle.model)
    columns = {} if stored is None else {one.name: str(one.kind) for one in Schema.from_json(stored).columns}
    made = None if cycle.version is None else versions.named(conn, cycle.model, cycle.version)
    return Told(
        cycle, finished_at, columns, learned_from(conn, cycle.model, cycle.id),
        None if made is None else made.digest, model_data_dir(config, cycle.model), installed("driftd"),
        config.openlineage.namespace,
    )  # fmt: skip
