"""What the gate foretold of each cycle's challenger, promoted or not, and what it came to; see
`retrain.planning.forecast` and `retrain.monitoring.realised`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, null, select

from daemon.ledger import cycles as of_cycles
from daemon.ledger import deployments
from daemon.ledger.rows import last_rows, update_row
from daemon.ledger.tables import cycles, stages
from retrain.planning.forecast import MOST_PAST, MOST_WAITING
from retrain.records.cycle import CycleState
from retrain.records.deployment import Deployment

JUDGED = (CycleState.PROMOTED, CycleState.KEPT)


@dataclass(frozen=True)
class Foretold:
    """A finished cycle whose difference is not known yet: its challenger is the `version`, or where that was never
    published ("") lies among the cycle's work; `after` is the newest file then, `champion` what it was compared with,
    `forecast` what was recorded."""

    cycle: int
    version: str
    after: int
    champion: Deployment
    forecast: dict[str, Any]


def waiting(conn: Connection, model: str) -> list[Foretold]:
    """Of the newest judged cycles those that wait for their next files, oldest first."""
    wanted = cycles.c.model == model, cycles.c.state.in_(JUDGED)
    rows = last_rows(conn, cycles, MOST_WAITING, *wanted, cycles.c.realised.is_(null()))
    forecasts = _forecasts(conn, [row.id for row in rows])
    against = {int(one["against"]) for one in forecasts.values() if one.get("against") is not None}
    champions = deployments.of_numbers(conn, model, against) if against else {}
    found = []
    for row in rows:
        forecast = forecasts.get(row.id)
        champion = None if forecast is None else champions.get(forecast.get("against", 0))
        if forecast is not None and champion is not None:
            found.append(Foretold(row.id, row.version or "", row.up_to_seq, champion, forecast))
    return found


def _forecasts(conn: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """By cycle, what its newest evaluation foretold."""
    if not ids:
        return {}
    judged = stages.c.stage == "evaluate", stages.c.state.in_(("ok", "kept")), stages.c.cycle_id.in_(ids)
    query = select(stages.c.cycle_id, stages.c.result).where(*judged).order_by(stages.c.id)
    newest = {row.cycle_id: (row.result or {}).get("forecast") for row in conn.execute(query)}
    return {cycle: forecast for cycle, forecast in newest.items() if forecast is not None}


def record(conn: Connection, found: Sequence[dict[str, Any]]) -> None:
    """Write what cycles came to, each with its `cycle`; what is known stays."""
    for one in found:
        realised = {key: value for key, value in one.items() if key != "cycle"}
        update_row(conn, cycles, one["cycle"], realised=realised)


def past(conn: Connection, model: str) -> list[float]:
    """The surprises of the newest cycles whose difference is known, oldest first."""
    query = select(cycles.c.realised).where(cycles.c.model == model, cycles.c.realised.is_not(null()))
    rows = conn.scalars(query.order_by(cycles.c.id.desc()).limit(MOST_PAST)).all()
    return [float(one["surprise"]) for one in rows[::-1] if one is not None]


def foretold_of(conn: Connection, model: str) -> dict[int, dict[str, Any]]:
    """By cycle, what was foretold of a model's challengers, as far as anything was."""
    judged = stages.c.stage == "evaluate", stages.c.state.in_(("ok", "kept"))
    query = select(stages.c.cycle_id, stages.c.result).join(cycles, cycles.c.id == stages.c.cycle_id)
    rows = conn.execute(query.where(cycles.c.model == model, *judged).order_by(stages.c.id))
    return {row.cycle_id: row.result["forecast"] for row in rows if (row.result or {}).get("forecast") is not None}


def realised_of(conn: Connection, model: str) -> dict[int, dict[str, Any]]:
    """By cycle, what the forecasts of a model's challengers came to, as far as that is known."""
    query = select(cycles.c.id, cycles.c.realised).where(cycles.c.model == model, cycles.c.realised.is_not(null()))
    return {row.id: row.realised for row in conn.execute(query)}


def earlier(conn: Connection, model: str, most: int) -> list[dict[str, Any]]:
    """Of the newest cycles whose difference is known: what was expected, and what it came to; oldest first."""
    known = realised_of(conn, model)
    found = []
    for cycle in sorted(known)[-most:]:
        forecast = (of_cycles.results(conn, cycle).get("evaluate") or {}).get("forecast") or {}
        expected = {key: forecast.get(key) for key in ("mean", "low", "high")}
        found.append({"cycle": cycle, **expected, "realised": known[cycle]["difference"]})
    return found


def kept_staged(conn: Connection, among: Collection[int]) -> set[int]:
    """Of these cycles those whose unpublished challengers are still needed."""
    models = conn.scalars(select(cycles.c.model).where(cycles.c.id.in_(among)).distinct()).all()
    return {one.cycle for model in models for one in waiting(conn, model) if not one.version}


def kept_tries(conn: Connection, model: str) -> int:
    """How many challengers in a row were kept from being served until now."""
    states = conn.scalars(
        select(cycles.c.state).where(cycles.c.model == model, cycles.c.state.in_(JUDGED)).order_by(cycles.c.id.desc())
    )
    tries = 0
    for state in states:
        if state == CycleState.PROMOTED:
            break
        tries += 1
    return tries
