"""Which messages become of logged events, for each destination; written with the events, or not at all."""

import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Connection

from daemon.config.notify import NotifySettings
from daemon.ledger import outbox
from daemon.runtime.notify.messages import message
from daemon.runtime.notify.troubles import ENDS, Happened, Trouble, began, ended

SEPARATE = 5
"""More at a time are one message."""
HOUR_S = 3600.0
ABOUT_ITSELF = ("notify_failed", "notify_recovered", "notify_given_up", "notify_unusable")
Key = tuple[str, str]
Troubles = dict[Key, Trouble]
FIELDS = frozenset(field.name for field in fields(Trouble))


def route(
    conn: Connection, destinations: Iterable[NotifySettings], new: Sequence[Happened], now: float, minute: int
) -> bool:
    """Write the messages that are due after these events at a moment, in a minute of the local day; whether something
    waits to be told later."""
    waits = False
    for destination in destinations:
        before = _known(conn, destination.name)
        after = heard(before, destination, new)
        after = _tell(conn, destination, after, now, destination.is_quiet(minute))
        changed = {key: trouble for key, trouble in after.items() if trouble != before.get(key)}
        kept = {key: _kept(trouble, now, destination.cooldown) for key, trouble in changed.items()}
        outbox.remember(conn, destination.name, kept | dict.fromkeys(_spent(before, after, now, destination)))
        waits |= any(trouble.is_waiting for trouble in after.values())
    return waits


def heard(before: Troubles, destination: NotifySettings, new: Iterable[Happened]) -> Troubles:
    """What a destination knows after more events."""
    after = dict(before)
    for one in new:
        if one.event in ABOUT_ITSELF and one.fields.get("destination") == destination.name:
            continue
        for key in _ended(after, one):
            after[key] = ended(after[key], one)
        if destination.tells(one.event, one.level, one.model or None):
            key = (one.event, one.model)
            after[key] = began(after.get(key), one)
    return after


def happened(rows: Iterable[Mapping[str, Any]]) -> list[Happened]:
    """Events of rows of the ledger."""
    return [Happened(row["event"], row["level"], row["model"] or "", row["at"], row["fields"]) for row in rows]


def new_key() -> str:
    """By which a receiver knows a message that comes again."""
    return str(uuid.uuid4())


def source() -> str:
    """Who tells: a URI reference, as CloudEvents want it."""
    return f"/driftd/{socket.gethostname()}"


def _ended(known: Troubles, one: Happened) -> list[Key]:
    """The troubles that an event ends: of its model, or of all where it is of the service."""
    names = ENDS.get(one.event, ())
    return [key for key in known if key[0] in names and one.model in ("", key[1])] if names else []


def _tell(conn: Connection, destination: NotifySettings, known: Troubles, now: float, is_quiet: bool) -> Troubles:
    """What is known after what is due was told: many at once, what is grouped, or more than the hour has room for, are
    one message."""
    news = [key for key, trouble in known.items() if trouble.is_news(now, destination.cooldown)]
    due = [key for key in news if known[key].level == "error" or not is_quiet]
    name = destination.name
    room = destination.most_per_hour - outbox.written_between(conn, name, now - HOUR_S, now) if due else 0
    if room <= 0:
        return known
    told = known
    for keys in together(known, due, destination, room, now):
        troubles, key = [known[one] for one in keys], new_key()
        body = message(key, source(), now, troubles, destination.link)
        about = f"{keys[0][1]} {keys[0][0]}".strip() if len(keys) == 1 else f"{len(keys)} together"
        outbox.add(conn, name, key, about, body, now)
        told = told | {key: known[key].told(now) for key in keys}
    return told


def together(
    known: Troubles, due: Sequence[Key], destination: NotifySettings, room: int, now: float
) -> list[list[Key]]:
    """What of the due troubles is told now, each list as one message: of a group nothing before its time has passed
    since the first of it could be told."""
    scopes: dict[Any, list[Key]] = {}
    for key in due:
        scope = key if not destination.group else key[1] if destination.group_by == "model" else ""
        scopes.setdefault(scope, []).append(key)
    ripe = [keys for keys in scopes.values() if _is_ripe([known[key] for key in keys], destination, now)]
    most = room if destination.group else min(room, SEPARATE)
    return [[key for keys in ripe for key in keys]] if len(ripe) > most else ripe


def _is_ripe(troubles: Sequence[Trouble], destination: NotifySettings, now: float) -> bool:
    """Whether a group's time has passed, also where the clock was set back meanwhile."""
    first = min(trouble.ripens_at(destination.cooldown) for trouble in troubles)
    return not first <= now < first + destination.group


def _spent(before: Troubles, after: Troubles, now: float, destination: NotifySettings) -> list[Key]:
    """What need not be remembered any more."""
    return [key for key in before if _kept(after[key], now, destination.cooldown) is None]


def _kept(trouble: Trouble, now: float, cooldown_s: float) -> dict[str, Any] | None:
    """A trouble as the ledger has it; None where nothing of it matters any more."""
    matters = trouble.lasting or trouble.is_waiting or not trouble.is_rested(now, cooldown_s)
    return asdict(trouble) if matters else None


def _known(conn: Connection, destination: str) -> Troubles:
    return {key: _trouble(state) for key, state in outbox.known(conn, destination).items()}


def _trouble(state: Mapping[str, Any]) -> Trouble:
    values = {name: value for name, value in state.items() if name in FIELDS}
    return Trouble(**(values | {"files": tuple(values.get("files", ()))}))
