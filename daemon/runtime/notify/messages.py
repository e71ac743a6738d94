"""What a message says: a CloudEvent of one trouble, its end, or several; pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from daemon.config.events import EVENTS, Event
from daemon.runtime.notify.troubles import Trouble
from daemon.runtime.printable import printable
from drift.notation import counted

Message = dict[str, Any]
LINK = re.compile(r"\[([^]]*)\]\s*\([^)]*\)")
TYPE = "driftd."
MOST_ITEMS = 50
"""Of several in one message so many are told whole."""
MOST_NAMED = 5
"""So many events are named in its first line."""
LEVELS = {"error": 0, "warning": 1, "info": 2}
LONGEST_VALUE = 300
"""Characters of a field in a sentence."""
HELP, MEANING = "docs/operations.md#", "docs/events.md#"
"""And the event's name: the line that says what to do, or where nobody needs to do anything what it means."""
DECLARED: dict[str, Event] = {event.name: event for event in EVENTS}


def message(key: str, source: str, now: float, troubles: Sequence[Trouble], link: str | None) -> Message:
    """A CloudEvent (https://cloudevents.io, version 1.0) of what is to be told together."""
    told = [one_told(trouble, link) for trouble in troubles]
    data = told[0] if len(told) == 1 else digest(told)
    return cloud_event(key, source, now, data["event"], data["model"], data)


def digest(told: Sequence[Mapping[str, Any]]) -> Message:
    """Several as one, the worst first, what is over last: `events` happened, which `counts` tells by name; `over` of
    what was told before are over. What is not told whole is `left_out`, and counted all the same."""
    ordered = sorted(told, key=_rank)
    new = [one for one in ordered if one["state"] != "over"]
    counts = Counter[str]()
    for one in new:
        counts[one["event"]] += one["times"]
    shown, models = ordered[:MOST_ITEMS], sorted({one["model"] for one in told if one["model"] is not None})
    data: Message = {
        "event": "several", "level": ordered[0]["level"], "model": models[0] if _is_of_one_model(told) else None,
        "models": models, "since": min(one["since"] for one in (new or ordered)), "events": counts.total(),
        "counts": dict(counts.most_common()), "over": len(ordered) - len(new), "messages": shown,
        "left_out": len(ordered) - len(shown),
    }  # fmt: skip
    left = [f"and {data['left_out']:,} more"] * bool(data["left_out"])
    return data | {"text": "\n".join((f"{headline(data)}:", *(one["text"] for one in shown), *left))}


def _rank(one: Mapping[str, Any]) -> tuple[Any, ...]:
    """What is worse comes first, and what is over last."""
    return one["state"] == "over", LEVELS.get(one["level"], len(LEVELS)), one["since"], one["event"]


def headline(data: Mapping[str, Any]) -> str:
    """What a digest is about, in numbers that add up.

    >>> headline({"model": "m", "counts": {"file_refused": 1200, "drift_detected": 1}, "events": 1201, "over": 1})
    'm: 1,201 events (1,200 file_refused, 1 drift_detected); 1 told before is over'
    >>> headline({"model": None, "counts": {}, "events": 0, "over": 2})
    '2 told before are over'
    """
    named = list(data["counts"].items())[:MOST_NAMED]
    rest = data["events"] - sum(count for _, count in named)
    parts = [f"{count:,} {name}" for name, count in named] + [f"{rest:,} others"] * bool(rest)
    new = [f"{counted(data['events'], 'event')} ({', '.join(parts)})"] * bool(named)
    over = [f"{data['over']:,} told before {'is' if data['over'] == 1 else 'are'} over"] * bool(data["over"])
    return (f"{data['model']}: " if data["model"] else "") + "; ".join(new + over)


def _is_of_one_model(told: Sequence[Mapping[str, Any]]) -> bool:
    return len({one["model"] for one in told}) == 1 and told[0]["model"] is not None


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
    data |= {"action": plain(declared.action)} if declared.action and state != "over" else {}
    data |= {"help": (HELP if declared.action else MEANING) + trouble.event}
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
