"""The log's view: events, or the timeline, of all models or of one, newest first."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from daemon.ledger import Ledger, events
from daemon.reports.page.actions import href, link
from daemon.reports.page.asked import Asked, Facts, PageReader
from daemon.reports.page.moments import time_element, with_seconds
from daemon.reports.page.prose import marked
from daemon.reports.timeline import event_json, folded, heading, sentence, timeline, with_iso_times
from drift.report.page import filled, table
from drift.report.site import ServedPage

SHOWN, MOST = 100, 1000
CONTENT = """
{% for choices in (kinds, models) %}
<p class="pages">{% for word, at, here in choices %}
<a href="{{ at }}"{% if here %} aria-current="true"{% endif %}>{{ word }}</a>
{% endfor %}</p>
{% endfor %}
{{ listed }}{% if more %}<p class="pages"><a href="{{ more }}">earlier</a></p>{% endif %}
"""
FIELDS_LEFT_OUT = ("event", "level", "timestamp", "model")
MOST_MODELS = 30


def view_of_log(reader: PageReader, ledger: Ledger, asked: Asked) -> Facts | None:
    """`events` is what `driftd history --events --json` prints, `history` its timeline; `last` so many of each, by
    `?last=`, and of one model by `?model=`."""
    model, last = asked.query.get("model"), asked.query.get("last", "")
    if model is not None and model not in reader.config.models:
        return None
    count = min(MOST, int(last)) if last.isascii() and last.isdigit() and 0 < len(last) < 9 else SHOWN
    shows_events = asked.query.get("show") == "events"
    with ledger.connect() as conn:
        rows = events.listed(conn, model, count) if shows_events else []
        entries = None if shows_events else [with_iso_times(one) for one in timeline(conn, model, count)]
    return {
        "view": "log", "title": "What happened", "model": model, "last": count, "models": list(reader.config.models),
        "events": [event_json(row) for row in rows] if shows_events else None,
        "moments": [row.at for row in rows], "history": entries,
    }  # fmt: skip


def log_html(facts: Facts, asked: Asked) -> str:
    """The timeline, or the events, with links to the other and to each model's."""
    is_events = facts["events"] is not None
    listed = _events(facts, asked.now) if is_events else _timeline(facts["history"], asked.now)
    count = len(facts["events"] if is_events else facts["history"])
    show = "events" if is_events else None
    content = filled(
        CONTENT, listed=listed if count else "Nothing yet.",
        kinds=[("what changed", _at(None, facts["model"]), not is_events),
               ("all events", _at("events", facts["model"]), is_events)],
        models=[("all models", _at(show, None), facts["model"] is None)] + [
            (name, _at(show, name), name == facts["model"]) for name in facts["models"][:MOST_MODELS]],
        more=_at(show, facts["model"], min(MOST, 3 * facts["last"])) if count >= facts["last"] < MOST else "",
    )  # fmt: skip
    return ServedPage(facts["title"], content, view="Log", follows=True).html()


def _at(show: str | None, model: str | None, last: int | None = None) -> str:
    given = {"show": show, "model": model, "last": last}
    query = urlencode({key: value for key, value in given.items() if value is not None})
    return f"/log{query and '?'}{query}"


def _timeline(entries: list[dict[str, Any]], now: float) -> Any:
    rows = [
        (
            time_element(entry["at"], now),
            _model(entry["model"]),
            _what(entry, now),
            marked(sentence(entry, before), now),
        )
        for entry, before in reversed(folded([with_seconds(one) for one in entries]))
    ]
    return table([("when", ""), ("model", ""), ("what", ""), ("what became of it", "why")], rows)


def _model(name: str | None) -> Any:
    return link(href("m", name), name) if name else ""


def _what(entry: Mapping[str, Any], now: float) -> Any:
    words = marked(heading(dict(entry)), now)
    if entry["kind"] == "cycle":
        return link(href("m", entry["model"], "cycle", entry["cycle"]), words)
    return words


def _events(facts: Facts, now: float) -> Any:
    rows = [
        (
            time_element(at, now, exact=True),
            _model(one["model"]),
            one["event"],
            "" if one["level"] == "info" else one["level"],
            _fields(one),
        )
        for one, at in zip(reversed(facts["events"]), reversed(facts["moments"]), strict=True)
    ]
    return table([("when", ""), ("model", ""), ("event", ""), ("", ""), ("fields", "why")], rows)


def _fields(one: Mapping[str, Any]) -> str:
    return "  ".join(f"{key}={value}" for key, value in one.items() if key not in FIELDS_LEFT_OUT and value is not None)
