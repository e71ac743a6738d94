"""CPU seconds that workers took for a model's decisions: by day (UTC), the model's newest cycle then, and purpose.

Purposes are "checks" (drift and suspicion of each file), "probes" (what labels say: twins, the archive, recalibration)
and "retrains" (all attempts at all stages of a cycle). What a killed worker or service had not told is not in them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from daemon.ledger.tables import cpu_seconds, cycles

DAY_S = 86400.0
KEPT_DAYS = 400
PURPOSES = ("probes", "checks", "retrains")
WITHOUT_GAIN = ("kept", "failed")
"""How a retrain ends that changed nothing."""


def add(conn: Connection, model: str, spent_s: Mapping[str, float], now: float) -> None:
    """Add what was spent, by purpose; days of more than a year ago are forgotten."""
    day, newest = int(now // DAY_S), _newest_cycle(model)
    for purpose, seconds in spent_s.items():
        key = {"model": model, "day": day, "cycle_id": newest, "purpose": purpose}
        same = [cpu_seconds.c[name] == value for name, value in key.items()]
        more = update(cpu_seconds).where(*same).values(seconds=cpu_seconds.c.seconds + seconds)
        if not conn.execute(more).rowcount:
            conn.execute(insert(cpu_seconds).values(**key, seconds=seconds))
            conn.execute(delete(cpu_seconds).where(cpu_seconds.c.model == model, cpu_seconds.c.day < day - KEPT_DAYS))


def by_cycle(conn: Connection, model: str, since: float) -> dict[int, dict[str, float]]:
    """By the cycle that was the newest then (0: before the first) and by purpose, since the day of a moment."""
    wanted = cpu_seconds.c.model == model, cpu_seconds.c.day >= int(since // DAY_S)
    found = cpu_seconds.c.cycle_id, cpu_seconds.c.purpose
    query = select(*found, func.sum(cpu_seconds.c.seconds)).where(*wanted).group_by(*found)
    spent: dict[int, dict[str, float]] = {}
    for cycle_id, purpose, seconds in conn.execute(query):
        spent.setdefault(cycle_id, dict.fromkeys(PURPOSES, 0.0))[purpose] = seconds
    return spent


def by_model(conn: Connection, since: float) -> dict[str, dict[int, dict[str, float]]]:
    """The same of all models, by name."""
    found = cpu_seconds.c.model, cpu_seconds.c.cycle_id, cpu_seconds.c.purpose
    query = select(*found, func.sum(cpu_seconds.c.seconds)).where(cpu_seconds.c.day >= int(since // DAY_S))
    spent: dict[str, dict[int, dict[str, float]]] = {}
    for model, cycle_id, purpose, seconds in conn.execute(query.group_by(*found)):
        spent.setdefault(model, {}).setdefault(cycle_id, dict.fromkeys(PURPOSES, 0.0))[purpose] = seconds
    return spent


def without_gain(conn: Connection, since: float) -> set[int]:
    """The cycles since the day of a moment that ended without a change of what is served."""
    ended = cycles.c.state.in_(WITHOUT_GAIN)
    spent = select(cpu_seconds.c.cycle_id).where(cpu_seconds.c.day >= int(since // DAY_S))
    return set(conn.scalars(select(cycles.c.id).where(ended, cycles.c.id.in_(spent))))


def before(conn: Connection, model: str, cycle_id: int) -> int:
    """The model's cycle before one; 0 where that is the first."""
    earlier = cycles.c.model == model, cycles.c.id < cycle_id
    return conn.scalar(select(func.max(cycles.c.id)).where(*earlier)) or 0


def _newest_cycle(model: str) -> Any:
    """As part of a statement; 0 before the first."""
    return func.coalesce(select(func.max(cycles.c.id)).where(cycles.c.model == model).scalar_subquery(), 0)
