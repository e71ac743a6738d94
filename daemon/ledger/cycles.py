"""Cycles and their stages: intents and outcomes, each committed before what follows from it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from daemon.ledger.rows import insert_row, last_row, last_rows, last_rows_of, update_row
from daemon.ledger.tables import cycles, json_text, stages
from retrain.records.cycle import Cycle, CycleState, Stage
from retrain.records.outcome import Outcome
from retrain.records.trigger import Trigger

UNFINISHED = ("open", "awaiting_approval", "on_trial")


def open_cycle(conn: Connection, model: str, trigger: Trigger, number: int, up_to_seq: int, now: float) -> Cycle:
    """Open a cycle; IntegrityError if the model has one open."""
    values = {
        "model": model,
        "trigger": asdict(trigger),
        "state": CycleState.OPEN,
        "stage": Stage.PREPARE,
        "attempt": 0,
        "number": number,
        "up_to_seq": up_to_seq,
        "opened_at": now,
    }
    return get(conn, insert_row(conn, cycles, values))


def get(conn: Connection, cycle_id: int) -> Cycle:
    """A cycle; LookupError if there is none of that id."""
    row = last_row(conn, cycles, cycles.c.id == cycle_id)
    if row is None:
        raise LookupError(cycle_id)
    return _cycle(row)


def current(conn: Connection, model: str) -> Cycle | None:
    """The model's open or waiting cycle."""
    row = last_row(conn, cycles, cycles.c.model == model, cycles.c.state.in_(UNFINISHED))
    return _cycle(row) if row is not None else None


def unfinished(conn: Connection) -> list[Cycle]:
    """All models' open and waiting cycles."""
    return [_cycle(row) for row in conn.execute(select(cycles).where(cycles.c.state.in_(UNFINISHED)))]


def newest_id(conn: Connection) -> int:
    """The id of the newest cycle of any model; 0 before the first."""
    return conn.scalar(select(func.max(cycles.c.id))) or 0


def listed(conn: Connection, model: str | None, last: int) -> Sequence[Row[Any]]:
    """The newest cycles, newest last."""
    return last_rows_of(conn, cycles, model, last)


def save(conn: Connection, cycle: Cycle, now: float) -> None:
    """Write where a cycle stands."""
    values = {name: getattr(cycle, name) for name in ("state", "stage", "attempt", "not_before", "reason", "version")}
    update_row(conn, cycles, cycle.id, **values, finished_at=None if cycle.state in UNFINISHED else now)


def stage_started(conn: Connection, cycle: Cycle, now: float) -> int:
    """Commit the intent of a stage; what a killed daemon left as started is interrupted."""
    left = stages.c.cycle_id == cycle.id, stages.c.state == "started"
    conn.execute(update(stages).where(*left).values(state="interrupted", finished_at=now))
    values = {"cycle_id": cycle.id, "stage": cycle.stage, "attempt": cycle.attempt, "state": "started"}
    return insert_row(conn, stages, values | {"started_at": now})


def stage_finished(conn: Connection, stage_id: int, outcome: Outcome, now: float) -> None:
    """Commit what a stage came to."""
    values = {"state": outcome.kind, "result": outcome.result, "reason": outcome.reason}
    update_row(conn, stages, stage_id, **values, finished_at=now)


def results(conn: Connection, cycle_id: int) -> dict[str, Any]:
    """The newest result of each stage that succeeded."""
    done = stages.c.cycle_id == cycle_id, stages.c.state.in_(("ok", "kept"))
    return {row.stage: row.result for row in conn.execute(select(stages).where(*done).order_by(stages.c.id))}


def result_of(conn: Connection, cycle_id: int, stage: Stage) -> dict[str, Any]:
    """The newest result of one stage that succeeded; empty before there is one."""
    done = stages.c.cycle_id == cycle_id, stages.c.stage == stage, stages.c.state.in_(("ok", "kept"))
    return conn.scalar(select(stages.c.result).where(*done).order_by(stages.c.id.desc()).limit(1)) or {}


def adoptions(conn: Connection, model: str) -> dict[int, dict[str, Any]]:
    """By cycle, what was adopted in it: its `file` and `digest`, and the `folder` that it came from."""
    adopted = cycles.c.model == model, json_text(conn, cycles.c.trigger, "kind") == "adopt"
    rows = conn.execute(select(cycles.c.id, cycles.c.trigger).where(*adopted))
    return {row.id: {key: row.trigger["evidence"][key] for key in ("file", "digest", "folder")} for row in rows}


def stages_of(conn: Connection, cycle_id: int) -> Sequence[Row[Any]]:
    """All attempts at all stages, in order."""
    return last_rows(conn, stages, None, stages.c.cycle_id == cycle_id)


def _cycle(row: Row[Any]) -> Cycle:
    return Cycle(
        row.id, row.model, Trigger(**row.trigger), CycleState(row.state), Stage(row.stage), row.attempt, row.number,
        row.up_to_seq, row.opened_at, row.not_before, row.reason, row.version,
    )  # fmt: skip
