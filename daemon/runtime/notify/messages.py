"""What a message says: a CloudEvent of one trouble, its end, or several; pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from daemon.config.events import EVENTS, Event
from daemon.runtime.notify.troubles import Trouble
from daemon.runtime.printable import printable

Message = dict[str, Any]
LINK = re.compile(r"\[([^]]*)\]\s*\([^)]*\)")
TYPE = "driftd."
MOST_ITEMS = 50
"""Of several in one message so many are told whole."""
LONGEST_VALUE = 300
"""Characters of a field in a sentence."""
HELP = "docs/operations.md#"
"""And the event's name: the line that says what to do."""
DECLARED: dict[str, Event] = {event.name: event for event in EVENTS}


def message(key: str, source: str, now: float, troubles: Sequence[Trouble], link: str | None) -> Message:
    """A CloudEvent (https://cloudevents.io, version 1.0) of what is to be told together."""
    told = [one_told(trouble, link) for trouble in troubles]
    if len(told) == 1:
        return cloud_event(key, source, now, told[0]["event"], told[0]["model"], told[0])
    lines = [one["text"] for one in told[:MOST_ITEMS]]
    left_out = len(told) - len(lines)
    more = [f"and {left_out:,} more"] * bool(left_out)
    text = "\n".join((f"{len(told)} messages in one:", *lines, *more))
    data = {"event": "several", "text": text, "messages": told[:MOST_ITEMS], "left_out": left_out}
    return cloud_event(key, source, now, "several", None, data)


def message_of_test(key: str, source: str, now: float, name: str) -> Message:
    """The message of `driftd notify test`."""
    text = f"driftd: this is a test of the destination {name}; nothing happened"
    return cloud_event(key, source, now, "test", None, {"event": "test", "level": "info", "text": text})


def cloud_event(
    key: str, source: str, now: float, event: str, model: str | None, data: Mapping[str, Any]
) -> dict[str, Any]:
    """An event in CloudEvents' structured mode; receivers tell by `id` what they have already."""
    subject = {} if not model else {"subject": model}
    return {
        "specversion": "1.0", "id": key, "source": source, "type": f"{TYPE}{event}", "time": moment(now), **subject,
        "datacontenttype": "application/json", "data": data,
    }  # fmt: skip


def one_told(trouble: Trouble, link: str | None) -> dict[str, Any]:
    """One trouble as data of a message: `state` is `happened`, `begins`, `over`, or `passed` of what began and ended
    before it could be told."""
    declared = DECLARED[trouble.event]
    state = _state(trouble)
    fields = trouble.over_fields or {} if state == "over" else trouble.fields
    data: dict[str, Any] = {
        "event": trouble.event, "level": trouble.level, "model": trouble.model or None, "state": state,
        "since": moment(trouble.since), "times": max(1, trouble.untold), "text": sentence(trouble),
        "fields": dict(fields),
    }  # fmt: skip
    data |= {"ended_by": trouble.over} if trouble.over else {}
    data |= {"files": list(trouble.files)} if trouble.files else {}
    data |= (
        {"action": plain(declared.action), "help": HELP + trouble.event} if declared.action and state != "over" else {}
    )
    return data | ({"link": linked(link, trouble.model)} if link is not None else {})


def linked(link: str, model: str) -> str:
    """A link for people, to a model, or to where all are.

    >>> linked("http://localhost:8080/m/{model}", "flights"), linked("http://localhost:8080/m/{model}", "")
    ('http://localhost:8080/m/flights', 'http://localhost:8080/')
    """
    return (link if model else link.replace("/m/{model}", "/")).replace("{model}", model)


def sentence(trouble: Trouble) -> str:
    """What happened, for people, in one line.

    >>> sentence(Trouble("drift_detected", "warning", "flights", 0.0, {"columns": ["x"]}, 1, lasting=True))
    'flights: drift_detected, a drift episode begins (columns x)'
    """
    subject, state = trouble.model or "driftd", _state(trouble)
    if state == "over":
        return f"{subject}: {trouble.event} is over ({trouble.over})"
    times = f" {trouble.untold} times" if trouble.untold > 1 else ""
    passed = f"; it is over ({trouble.over})" if state == "passed" else ""
    shown = {key: value for key, value in trouble.fields.items() if key != "model" and value not in (None, "", [], {})}
    values = "; ".join(f"{key} {_shown(value)}" for key, value in shown.items())
    what = plain(DECLARED[trouble.event].when).partition("; ")[0].partition(": ")[0]
    return printable(f"{subject}: {trouble.event}{times}, {what}" + (f" ({values})" if values else "") + passed)


def plain(markdown: str) -> str:
    """Without the marks of Markdown.

    >>> plain("see [the docs](a.md#b) of `drift`")
    'see the docs of drift'
    """
    return LINK.sub(r"\1", markdown).replace("`", "")


def moment(at: float) -> str:
    """A time as RFC 3339 writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _state(trouble: Trouble) -> str:
    if trouble.over:
        return "passed" if trouble.untold else "over"
    return "begins" if trouble.lasting else "happened"


def _shown(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
