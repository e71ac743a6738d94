"""The overview as a page."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from daemon.reports.page.actions import button, href
from daemon.reports.page.asked import Asked, Facts
from daemon.reports.page.moments import time_element
from daemon.reports.page.needs import KINDS
from daemon.reports.page.prose import marked
from daemon.reports.page.quality import NEWEST_FILES
from daemon.reports.page.traffic import latency, rate
from drift.notation import counted, score
from drift.report.charts import sparkline
from drift.report.glyphs import file_bars, state
from drift.report.page import filled
from drift.report.site import ServedPage

CONTENT = """
{% if waiting %}
<ul class="todo" aria-label="Waits for you">{% for kind, need, acts in waiting %}
<li class="{{ kind }}-need"><p><b><a href="{{ need.href }}">{{ need.model }}</a></b> ·
 <span class="{{ kind }}">{{ need.words }}</span>. {{ need.more }}</p>{{ acts }}</li>
{% endfor %}</ul>
{% if more %}<p class="soft small">and {{ more }} more; each stands with its model.</p>{% endif %}
{% endif %}
<dl class="answers">{% for name, answer in answers %}
<div><dt>{{ name }}</dt><dd>{{ answer }}</dd></div>
{% endfor %}</dl>
<h2>Models</h2>
<div class="heads" aria-hidden="true"><span>serves</span><span>requests</span>
<span>quality now, and at its evaluation</span>
<span>last {{ places }} files, the newest at the right</span></div>
<ul class="models">{% for row in rows %}
<li class="model"><div><h3><a href="{{ row.href }}">{{ row.name }}</a> {{ row.state }}</h3>
<p class="soft">{{ row.serves }}</p></div>
<p class="traffic"><span class="narrow">requests </span><b>{{ row.rate }}</b><br>
<span class="soft">{{ row.latency }}</span></p>
<div class="q"><p><b>{{ row.value }}</b><br><span class="soft">{{ row.was }}</span></p>{{ row.spark }}</div>
<div>{{ row.files }}</div><p class="why">{% if row.changed %}<b>{{ row.changed }}.</b> {% endif %}{{ row.why }}</p></li>
{% endfor %}</ul>
{% if pages %}
<p class="pages">{% for word, address in pages %}<a href="{{ address }}">{{ word }}</a>{% endfor %}</p>
{% endif %}
"""
NAMES = (("serving", "Serving"), ("changed", "Changed last"), ("next", "By itself"), ("undo", "To undo"))
MOST_NEEDS, A_PAGE = 3, 50
MEANWHILE = "; meanwhile "
WHY_CHARS = 190
"""Of the reason why nothing is done now; the model's own view has all of it."""


def overview_html(facts: Facts, asked: Asked) -> str:
    """What needs somebody first, then the answers, then a row for each model."""
    needs = facts["waiting"]
    first = _page(asked)
    names = sorted(
        facts["models"], key=lambda name: not facts["models"][name]["needs"]
    )  # those who need somebody first
    shown = names[first : first + A_PAGE]
    content = filled(
        CONTENT, waiting=[(_kind(need), need | {"href": href("m", need["model"])}, acts(asked, need)) for need in
                          needs[:MOST_NEEDS]],
        more=max(0, len(needs) - MOST_NEEDS), places=NEWEST_FILES,
        answers=[(name, marked(facts["answers"][key], asked.now)) for key, name in NAMES],
        rows=[_row(name, facts["status"]["models"][name], facts["models"][name], asked.now) for name in shown],
        pages=_pages(first, len(names)),
    )  # fmt: skip
    return ServedPage(facts["title"], content, facts["lede"], remark(facts["status"], asked), follows=True).html()


def _page(asked: Asked) -> int:
    text = asked.query.get("from", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _pages(first: int, count: int) -> list[tuple[str, str]]:
    before = [("earlier models", f"/?from={max(0, first - A_PAGE)}")] if first else []
    return before + ([("more models", f"/?from={first + A_PAGE}")] if first + A_PAGE < count else [])


def remark(status: Mapping[str, Any], asked: Asked) -> Markup:
    """At the right of the navigation: which shard it is, whether the service runs, and as of when this is."""
    words = "running" if status["running"] else "not running"
    words = words if status["shard"] is None else f"shard {status['shard']} · {words}"
    return filled("{{ words }} · as of {{ at }}", words=words, at=time_element(asked.now, asked.now))


def _kind(need: Mapping[str, Any]) -> str:
    return KINDS.get(str(need["about"]), "bad")


def acts(asked: Asked, need: Mapping[str, Any]) -> Markup:
    """What a person can do about a need: look, then decide."""
    model = need["model"]
    if need["about"] == "held":
        return _held_acts(asked, need)
    if need["about"] == "approval":
        look = filled('<a class="button" href="{{ at }}">Compare</a>', at=href("m", model, "cycle", need["cycle"]))
        done = button(asked, model, "approve", "Approve", {"cycle": str(need["cycle"])}, primary=True)
        return filled('<div class="acts">{{ look }} {{ done }}</div>', look=look, done=done)
    return filled('<a class="button" href="{{ at }}">Look</a>', at=href("m", model))


def _held_acts(asked: Asked, need: Mapping[str, Any]) -> Markup:
    model, file = need["model"], need.get("file")
    if file is None:
        return filled('<a class="button" href="{{ at }}?state=held#files">Look</a>', at=href("m", model))
    look = filled('<a class="button" href="{{ at }}">Look at the rows</a>', at=href("m", model, "file", file))
    release = button(asked, model, "release", "Release", {"file": file}, primary=True)
    forget = button(
        asked,
        model,
        "forget",
        "Forget",
        {"file": file},
        sure="Its rows leave every window for good: this cannot be undone.",
    )
    return filled('<div class="acts">{{ a }} {{ b }} {{ c }}</div>', a=look, b=release, c=forget)


def _row(name: str, status: Mapping[str, Any], one: Mapping[str, Any], now: float) -> dict[str, Any]:
    return {
        "name": name, "href": href("m", name), "state": state(one["state"]["kind"], one["state"]["word"]),
        "serves": serves(status, one["age"]), **quality_cells(one), "why": _first(one, now),
        "files": file_bars([(file["kind"], f"{file['file']}: {file['kind']}") for file in one["files"]], NEWEST_FILES),
        "rate": rate(one["traffic"]), "latency": latency(one["traffic"]),
        "changed": marked(one["changed"], now) if one["changed"] else "",
    }  # fmt: skip


def serves(status: Mapping[str, Any], old: str | None) -> str:
    """Task, mode, version and its age; where another system serves it, the reference."""
    champion = status["champion"]
    since = "since just now" if old == "just now" else f"for {old}"
    if status["elsewhere"] is not None:
        reference = "no reference yet" if champion is None else f"reference {champion['version']} {since}"
        return f"{status['task']}, served elsewhere · {reference}"
    kind = f"{status['task']}, {status['mode']}"
    if champion is None:
        return f"{kind} · no version yet"
    return f"{kind} · {champion['version']} {since}"


def quality_cells(one: Mapping[str, Any]) -> dict[str, Any]:
    """The value with its metric, the evaluation's, and the values of the newest files as a line."""
    now = one["quality"]
    if now is None:
        return {"value": "–", "was": "not measured yet", "spark": ""}
    values = [point["estimated"] if point["value"] is None else point["value"] for point in one["points"]]
    known = [value for value in values if value is not None]
    drawn = ""
    if len(known) > 1:
        ends = [*known, *([now["evaluated"]] if now["evaluated"] is not None else [])]
        low, high = min(ends), max(ends)
        room = 0.15 * (high - low) or 0.01
        drawn = sparkline(
            f"{named(now['metric'])} of the last {counted(len(known), 'file')}", values, low - room, high + room
        )
    was = "" if now["evaluated"] is None else f"was {score(now['evaluated'])}"
    mark = "≈ " if now["estimated"] else ""
    return {"value": f"{mark}{score(now['value'])}" if now["value"] is not None else "–", "was": was, "spark": drawn}


def named(metric: str | None) -> str:
    """A metric for people.

    >>> named("balanced_accuracy"), named(None)
    ('balanced accuracy', 'quality')
    """
    return (metric or "quality").replace("_", " ")


def _first(one: Mapping[str, Any], now: float) -> Markup:
    """Why nothing is done now, cut where it is long; what waits stands above already."""
    words = str(one["short"]).rpartition(MEANWHILE)[2]
    text = words[:1].upper() + words[1:]
    return marked(f"{text}." if len(text) <= WHY_CHARS else f"{text[: WHY_CHARS - 1].rsplit(' ', 1)[0]} …", now)
