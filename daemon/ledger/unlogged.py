"""What was committed shortly before a kill and has no log event: events are written up to a second later."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Row, Table, func, select

from daemon.ledger.groups import EPISODE_EVENTS
from daemon.ledger.rows import last_row
from daemon.ledger.tables import cycles, episodes, events, files, group_episodes, hooks, promotions, trials
from retrain.records.cycle import CycleState

NEWEST, NEWEST_EVENTS = 1_000, 20_000
"""So many rows of a table are looked at."""
REACH_S = 600.0
"""So long before the newest event nothing is missing."""
SAME_MOMENT_S = 1.0
BY_HAND = "by hand"
NAMES = (
    "file_refused", "file_held", "drift_detected", "drift_cleared", "approval_needed", "cycle_finished",
    "version_promoted", "version_rolled_back", "slice_degraded", "slice_recovered", "disparity_exceeded",
    "disparity_cleared", "hook_done", "hook_failed", "challenger_better",
)  # fmt: skip


@dataclass(frozen=True)
class Unlogged:
    """An event that was not written, with the row that it is about."""

    event: str
    model: str
    row: Row[Any]


def unlogged(conn: Connection) -> Iterator[Unlogged]:
    """The events that are missing, in no order; none in a ledger without events."""
    newest = last_row(conn, events)
    if newest is None:
        return
    since = newest.at - REACH_S
    named = events.c.event.in_(NAMES), events.c.id > newest.id - NEWEST_EVENTS
    logged = {_identity(row) for row in conn.execute(select(events).where(*named))}
    for event, row in _facts(conn, since):
        if (event, row.model, _subject(event, row)) not in logged:
            yield Unlogged(event, row.model, row)


def _facts(conn: Connection, since: float) -> Iterator[tuple[str, Row[Any]]]:
    """What has an event, by the event's name."""
    for row in _newest(conn, files):
        if row.at > since and row.state in ("refused", "held") and row.reason != BY_HAND:
            yield ("file_refused" if row.state == "refused" else "file_held"), row
    promoted = _newest(conn, promotions)
    for row in _newest(conn, episodes):
        if row.opened_at > since:
            yield "drift_detected", row
        if (row.closed_at or 0.0) > since and not any(_is_ended_by(row, one) for one in promoted):
            yield "drift_cleared", row
    for row in _newest(conn, group_episodes):
        begins, ends = EPISODE_EVENTS[row.kind]
        if row.opened_at > since:
            yield begins, row
        if (row.closed_at or 0.0) > since and not any(_is_ended_by(row, one) for one in promoted):
            yield ends, row
    for row in _newest(conn, cycles):
        if row.state == CycleState.AWAITING_APPROVAL:
            yield "approval_needed", row
        elif (row.finished_at or 0.0) > since:
            yield "cycle_finished", row
            if row.state == CycleState.KEPT and row.version is not None and _is_candidate(conn, row):
                yield "challenger_better", row
    for row in _newest(conn, hooks):
        if (row.finished_at or 0.0) > since:
            yield ("hook_done" if row.state == "done" else "hook_failed"), row
    for row in promoted:
        if row.at > since and row.kind != "reweigh":
            yield ("version_rolled_back" if row.kind == "rollback" else "version_promoted"), row


def _is_candidate(conn: Connection, cycle: Row[Any]) -> bool:
    """Whether what a cycle kept was better than what another system predicted: a trial keeps a version, too."""
    tried = select(trials.c.id).where(trials.c.cycle_id == cycle.id)
    return conn.execute(tried).first() is None


def _is_ended_by(episode: Row[Any], promotion: Row[Any]) -> bool:
    """Whether an episode ended because another deployment was promoted, which is not told by itself."""
    return bool(promotion.model == episode.model and abs(promotion.at - episode.closed_at) < SAME_MOMENT_S)


def _newest(conn: Connection, table: Table) -> Sequence[Row[Any]]:
    key: Column[Any] = table.c.id
    newest = conn.scalar(select(func.max(key))) or 0
    return conn.execute(select(table).where(key > newest - NEWEST).order_by(key)).all()


def _identity(event: Row[Any]) -> tuple[str, str | None, Any]:
    """What an event is about."""
    fields, name = event.fields, event.event
    if name.startswith("file_"):
        return name, event.model, fields.get("file")
    if name.startswith(("drift_", "slice_", "disparity_")):
        return name, event.model, fields.get("episode")
    if name.startswith("version_"):
        return name, event.model, fields.get("reason")
    return name, event.model, fields.get("key" if name.startswith("hook_") else "cycle_id")


def _subject(event: str, row: Row[Any]) -> Any:
    """The same of a row."""
    if event.startswith("file_"):
        return row.path.encode("utf-8", "backslashreplace").decode()
    if event.startswith("hook_"):
        return row.key
    return row.reason if event.startswith("version_") else row.id
