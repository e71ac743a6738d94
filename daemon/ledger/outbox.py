"""Messages on their way to whom they are for, and what each destination knows of troubles."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, literal_column, or_, select, update

from daemon.ledger.rows import insert_row, update_row
from daemon.ledger.tables import outbox, troubles

MessageRow = Row[Any]
Known = dict[tuple[str, str], dict[str, Any]]
"""What is known of troubles, by event and model."""


def known(conn: Connection, destination: str) -> Known:
    """What a destination knows."""
    rows = conn.execute(select(troubles).where(troubles.c.destination == destination))
    return {(row.event, row.model): row.state for row in rows}


def remember(conn: Connection, destination: str, changed: Mapping[tuple[str, str], Any]) -> None:
    """Write what it knows now of some troubles; None: nothing any more."""
    for event, model in changed:
        same = troubles.c.destination == destination, troubles.c.event == event, troubles.c.model == model
        conn.execute(delete(troubles).where(*same))
    rows = [
        {"destination": destination, "event": event, "model": model, "state": state}
        for (event, model), state in changed.items()
        if state is not None
    ]
    if rows:
        conn.execute(insert(troubles), rows)


def add(conn: Connection, destination: str, key: str, about: str, message: Mapping[str, Any], now: float) -> int:
    """A message to be sent; its id."""
    values = {"destination": destination, "key": key, "about": about, "message": dict(message), "at": now}
    return insert_row(conn, outbox, values)


def written_between(conn: Connection, destination: str, since: float, until: float) -> int:
    """How many messages were written after a moment and until another one."""
    mine = outbox.c.destination == destination, outbox.c.at > since, outbox.c.at <= until
    return conn.scalar(select(func.count()).select_from(outbox).where(*mine)) or 0


def want(conn: Connection, destination: str, about: str, key: str, now: float) -> None:
    """The message of a key waits, and is all that counts of what it is about: what was sent of that before need not be
    true any more."""
    mine = outbox.c.destination == destination, outbox.c.about == about, outbox.c.key != key
    others = update(outbox).where(*mine, outbox.c.state.in_(("waiting", "delivered")))
    conn.execute(others.values(state="superseded", finished_at=now))
    row = conn.execute(select(outbox.c.id, outbox.c.state).where(outbox.c.key == key)).first()
    if row is None:
        add(conn, destination, key, about, {}, now)
    elif row.state != "waiting":
        update_row(conn, outbox, row.id, state="waiting", at=now, attempts=0, reason="", finished_at=None)


def add_once(conn: Connection, destination: str, key: str, about: str, message: Mapping[str, Any], now: float) -> None:
    """A message to be sent, unless there was one of that key before."""
    if conn.scalar(select(outbox.c.id).where(outbox.c.key == key)) is None:
        add(conn, destination, key, about, message, now)


def delivered(conn: Connection, destination: str, keys: Iterable[str]) -> set[str]:
    """Those of these keys whose message arrived."""
    mine = outbox.c.destination == destination, outbox.c.key.in_(list(keys)), outbox.c.state == "delivered"
    return set(conn.scalars(select(outbox.c.key).where(*mine)))


def pending(conn: Connection, destination: str, keys: Iterable[str]) -> set[str]:
    """Those of these keys whose message waits or arrived."""
    mine = outbox.c.destination == destination, outbox.c.key.in_(list(keys)), outbox.c.state != "superseded"
    return set(conn.scalars(select(outbox.c.key).where(*mine)))


def drop(conn: Connection, destination: str, but: Collection[str] = ()) -> None:
    """Nothing waits for a destination any more, but for what is about these."""
    mine = outbox.c.destination == destination, outbox.c.about.not_in(but)
    conn.execute(delete(outbox).where(*mine, *_waits(())))


def try_now(conn: Connection, destination: str) -> None:
    """All that waits for a destination may be sent at once: it is another one than what failed."""
    chosen = update(outbox).where(outbox.c.destination == destination, *_waits(()))
    conn.execute(chosen.values(not_before=0.0))


def waiting(conn: Connection, but: Collection[int] = ()) -> dict[str, int]:
    """How many messages, `but` for some, are not sent yet, by destination."""
    counts = select(outbox.c.destination, func.count()).where(*_waits(but)).group_by(outbox.c.destination)
    found: list[Any] = list(conn.execute(counts))
    return dict(found)


def oldest(conn: Connection, destination: str, most: int, but: Collection[int] = ()) -> Sequence[MessageRow]:
    """The oldest that wait for a destination, without what they say."""
    told: list[Any] = [outbox.c[name] for name in ("id", "destination", "key", "about", "attempts")]
    mine = outbox.c.destination == destination, *_waits(but)
    return conn.execute(select(*told).where(*mine).order_by(outbox.c.id).limit(most)).all()


def next_due(
    conn: Connection, destination: str, now: float, latest: float, but: Collection[int] = ()
) -> MessageRow | None:
    """The oldest that waits for a destination and may be sent now. What is not to be before a moment after `latest` is
    due: the clock was set back."""
    due = or_(outbox.c.not_before <= now, outbox.c.not_before > latest)
    mine = outbox.c.destination == destination, *_waits(but), due
    found = conn.scalar(select(outbox.c.id).where(*mine).order_by(outbox.c.id).limit(1))
    return None if found is None else conn.execute(select(outbox).where(outbox.c.id == found)).one()


def _waits(but: Collection[int]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return outbox.c.state == literal_column("'waiting'"), outbox.c.id.not_in(but)


def try_later(conn: Connection, message: int, not_before: float, reason: str) -> None:
    """An attempt failed."""
    tried = outbox.c.attempts + 1
    update_row(conn, outbox, message, attempts=tried, not_before=not_before, reason=reason)


def try_key_later(conn: Connection, key: str, not_before: float, reason: str) -> None:
    """The same of the message of a key, if it waits."""
    chosen = update(outbox).where(outbox.c.key == key, *_waits(()))
    conn.execute(chosen.values(attempts=outbox.c.attempts + 1, not_before=not_before, reason=reason))


def deliver_key(conn: Connection, key: str, now: float) -> None:
    """The message of a key arrived, or what it says was true already."""
    chosen = update(outbox).where(outbox.c.key == key)
    values = {"state": "delivered", "reason": "", "finished_at": now}
    conn.execute(chosen.values(attempts=outbox.c.attempts + 1, **values))


def finish(conn: Connection, message: int, state: str, now: float, reason: str = "") -> None:
    """A message was delivered, or is given up."""
    tried = outbox.c.attempts + int(state == "delivered")
    update_row(conn, outbox, message, state=state, attempts=tried, reason=reason, finished_at=now)


def forget_others(conn: Connection, destinations: Collection[str]) -> None:
    """Destinations that are gone know of nothing."""
    conn.execute(delete(troubles).where(troubles.c.destination.not_in(destinations)))


def standing(conn: Connection, destination: str) -> dict[str, Any]:
    """How many messages wait, since when and why; how many were given up; how many arrived, and when the last one."""
    mine, newest = outbox.c.destination == destination, func.max(outbox.c.finished_at)
    states = select(outbox.c.state, func.count(), func.min(outbox.c.at), newest).where(mine).group_by(outbox.c.state)
    counts = {state: (count, oldest, last) for state, count, oldest, last in conn.execute(states)}
    failed = mine, outbox.c.state == "waiting", outbox.c.reason != ""
    reason = conn.scalar(select(outbox.c.reason).where(*failed).order_by(outbox.c.id).limit(1))
    waits, since, _ = counts.get("waiting", (0, None, None))
    arrived, _, arrived_at = counts.get("delivered", (0, None, None))
    return {
        "waiting": waits, "waiting_since": since, "reason": reason, "delivered": arrived, "delivered_at": arrived_at,
        "given_up": counts.get("given_up", (0,))[0],
    }  # fmt: skip
