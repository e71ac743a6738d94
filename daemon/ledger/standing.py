"""Where all models stand, in as many statements for three hundred models as for one: what `driftd status` reads."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, select

from daemon.ledger import assessments as assessments_of
from daemon.ledger import cpu, cycles, promotions, totals
from daemon.ledger import groups as groups_of
from daemon.ledger.rows import newest_of_each
from daemon.ledger.tables import (
    checks,
    class_totals,
    episodes,
    files,
    models,
    prediction_log,
    trials,
)
from daemon.ledger.tables import cycles as cycles_table
from retrain.records.cycle import Cycle
from retrain.records.deployment import Champion

NOT_LOGGED: dict[str, Any] = {"rows": 0, "bytes": 0, "since": None}


@dataclass(frozen=True)
class Standing:
    """What the ledger has of a model: its row and the newest rows of its tables (None: there is none); `metrics` are
    those of the champion's newest version, `files` counts them by state, `class_rows` labels by class, and
    `labelled_rows` those of accepted files, withheld classes among them; `assessed` is what the newest assessed file
    said, `groups` how groups of rows do, `cpu` has CPU seconds by cycle and purpose, `without_gain` the cycles that
    changed nothing. `on_trial` says whether it is worth asking for more."""

    model: Row[Any] | None = None
    champion: Champion | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    episode: int | None = None
    files: dict[str, int] = field(default_factory=dict)
    labelled_rows: int = 0
    class_rows: dict[str, int] = field(default_factory=dict)
    last_file: Row[Any] | None = None
    last_check: Row[Any] | None = None
    last_cycle: Row[Any] | None = None
    cycle: Cycle | None = None
    log: dict[str, Any] = field(default_factory=NOT_LOGGED.copy)
    cpu: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    without_gain: Collection[int] = frozenset()
    on_trial: bool = False
    assessed: Mapping[str, Any] | None = None
    groups: Mapping[str, Any] | None = None


def standings(conn: Connection, names: Collection[str], since: float = 0.0, brief: bool = False) -> dict[str, Standing]:
    """Of the models of these names; what was spent counts from the day of `since` (Unix seconds). `brief`: of groups of
    rows only those that do worse or differ."""
    rows = {row.name: row for row in conn.execute(select(models))}
    champions, metrics = promotions.champions(conn)
    counts, labelled = totals.by_model(conn)
    classes: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for model, name, count in conn.execute(select(class_totals)):
        classes[model] |= {name: count} if count > 0 else {}
    open_ones = select(episodes.c.model, func.max(episodes.c.id).label("episode")).where(episodes.c.closed_at.is_(None))
    opened = {row.model: row.episode for row in conn.execute(open_ones.group_by(episodes.c.model))}
    last_files, last_checks = newest_of_each(conn, files), newest_of_each(conn, checks)
    last_cycles = newest_of_each(conn, cycles_table)
    current = {cycle.model: cycle for cycle in cycles.unfinished(conn)}
    logged, on_trial = _logged(conn), set(conn.scalars(select(trials.c.model).where(trials.c.outcome == "")))
    spent, lost = cpu.by_model(conn, since), cpu.without_gain(conn, since)
    assessed = assessments_of.newest_found(conn)
    groups = groups_of.summaries(conn, names, brief)
    return {
        name: Standing(
            rows.get(name), champions.get(name), metrics.get(name) or {}, opened.get(name), counts[name],
            totals.with_late(labelled[name]), classes[name], last_files.get(name), last_checks.get(name),
            last_cycles.get(name), current.get(name), logged.get(name, NOT_LOGGED),
            spent.get(name, {}), lost, name in on_trial, assessed.get(name),
            groups.get(name),
        )
        for name in names
    }  # fmt: skip


def _logged(conn: Connection) -> dict[str, dict[str, Any]]:
    """By model, how much of the prediction log is kept."""
    table = prediction_log.c
    query = select(table.model, func.sum(table.rows), func.sum(table.bytes), func.min(table.first_time))
    found = conn.execute(query.group_by(table.model))
    return {model: {"rows": int(rows), "bytes": int(size), "since": first} for model, rows, size, first in found}
