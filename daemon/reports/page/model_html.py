"""A model's own view as a page."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from daemon.reports.cpu import cpu_sentence
from daemon.reports.page.actions import href, link
from daemon.reports.page.asked import Asked, Facts
from daemon.reports.page.columns import importance_shares
from daemon.reports.page.groups_html import groups_section
from daemon.reports.page.model import MOST_ENTRIES, entries_asked_for
from daemon.reports.page.model_buttons import buttons
from daemon.reports.page.model_chart import quality_chart
from daemon.reports.page.moments import time_element, with_seconds
from daemon.reports.page.needs import KINDS
from daemon.reports.page.overview_html import acts, named, remark
from daemon.reports.page.prose import marked
from daemon.reports.page.recommender import recommender_lines
from daemon.reports.page.traffic import traffic_words
from daemon.reports.timeline import folded, heading, sentence
from drift.notation import apart, score
from drift.report.charts import effect
from drift.report.glyphs import state
from drift.report.page import filled, table
from drift.report.site import ServedPage

CONTENT = """
{% if waiting %}<ul class="todo" aria-label="Waits for you">{% for kind, need, acts in waiting %}
<li class="{{ kind }}-need"><p><b class="{{ kind }}">{{ need.words }}</b>. {{ need.more }}</p>{{ acts }}</li>
{% endfor %}</ul>{% endif %}
<div class="two"><section><h2>Quality of what was served</h2>
{% if chart %}{{ chart }}{% else %}<p class="soft">{{ nothing }}</p>{% endif %}
<h2>What happened</h2><ol class="story">{% for one in history %}
<li><b>{{ one.at }}</b> · {{ one.what }}: {{ one.words }}</li>{% endfor %}</ol>
{% if earlier %}<p class="pages"><a href="{{ earlier }}">earlier</a></p>{% endif %}
</section>
<aside aria-label="Now"><h2>Now</h2><dl class="plain">{% for name, value in now %}
<div class="row"><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}</dl>
<div class="acts">{% for act in buttons %}{{ act }} {% endfor %}</div>
{% if gauge %}<h2>How near a retrain is</h2>{{ gauge }}{% endif %}
{% if spent %}<p class="small soft">What deciding cost: {{ spent }}.</p>{% endif %}
{% if columns %}<h2>Columns that moved</h2>{{ columns }}{% endif %}
{% if importance %}<h2>Columns that it relies on</h2>{{ importance }}{% endif %}</aside></div>
{{ groups }}
<section id="files"><h2>Files</h2><p class="pages">{% for word, address, here in states %}
<a href="{{ address }}"{% if here %} aria-current="true"{% endif %}>{{ word }}</a>{% endfor %}</p>
{{ files }}{% if older %}<p class="pages"><a href="{{ older }}">older files</a></p>{% endif %}</section>
"""
GAUGE = """
{{ bar }}<p class="small soft">A fresh model would have saved <b>{{ saved }}</b> {{ metric }}; a retrain pays from
 <b>{{ price }}</b>{% if share < 1 %}, so {{ '%.0f'|format(100 * share) }} % of the way{% endif %}.</p>
"""
MOST_IMPORTANT = 8
NO_CHART = "Nothing was measured yet: no labelled file came while this model was served."
EVERY = (("all", None), ("held", "held"), ("refused", "refused"))


def model_html(facts: Facts, asked: Asked) -> str:
    """What waits first, then quality over time beside what is now, what happened, and the files."""
    name, status = facts["model"], facts["status"]["models"][facts["model"]]
    listed, history = facts["listed"], [with_seconds(entry) for entry in facts["history"]]
    content = filled(
        CONTENT, waiting=[(KINDS.get(need["about"], "bad"), need, acts(asked, need)) for need in facts["needs"]],
        chart=quality_chart(facts, history), nothing=NO_CHART, now=_now(facts, status, asked),
        buttons=buttons(facts, status, asked), gauge=_gauge(facts["explain"]), spent=cpu_sentence(status["cpu"]),
        columns=_columns(facts["columns"]),
        importance=_importance(facts["importance"], named(status["champion"] and status["champion"]["metric"])),
        history=[_entry(name, *one, asked.now) for one in reversed(folded(history))],
        earlier=_earlier(name, facts, asked), files=_files(name, listed["files"], asked.now),
        groups=groups_section(status["groups"]),
        states=[(word, _files_href(name, kind), kind == listed["state"]) for word, kind in EVERY],
        older=_files_href(name, listed["state"], listed["older"]) if listed["older"] else "",
    )  # fmt: skip
    lede, now_is = marked(facts["lede"], asked.now), remark(facts["status"], asked)
    return ServedPage(facts["title"], content, lede, now_is, follows=True).html()


def _now(facts: Facts, status: Mapping[str, Any], asked: Asked) -> list[tuple[str, Any]]:
    """What is served, how it does, and what is known of files and labels."""
    champion, now, name = status["champion"], facts["quality"], facts["model"]
    lines: list[tuple[str, Any]] = [("state", state(facts["state"]["kind"], facts["state"]["word"]))]
    if champion is not None:
        link = filled(
            '{{ v }} · <a href="{{ at }}">versions</a>', v=champion["version"], at=href("m", name, "versions")
        )
        lines += [
            ("version" if status["elsewhere"] is None else "reference", link),
            ("since", time_element(champion["at"], asked.now)),
            ("before it", champion["before"] or "nothing"),
        ]
    if now is not None:
        value = "not measured yet" if now["value"] is None else f"{'≈ ' * now['estimated']}{score(now['value'])}"
        was = "" if now["evaluated"] is None else f" (was {score(now['evaluated'])})"
        lines.append((named(now["metric"]), value + was))
    lines += [("requests", traffic_words(facts["traffic"]))] if facts["traffic"] is not None else []
    lines += recommender_lines(facts["recommender"], asked.now)
    labels = status["labels"]
    lines += [("labels", labels["sentence"])] if labels and labels["sentence"] else []
    lines.append(("labelled rows", f"{status['labelled_rows']:,}"))
    lines.append(("files", ", ".join(f"{count:,} {kind}" for kind, count in sorted(status["files"].items())) or "none"))
    return lines


def _gauge(question: Mapping[str, Any]) -> Markup | str:
    """How much of what a retrain must save has been saved."""
    saved, price = question["saved"], question["price"]
    if saved is None or not price:
        return ""
    digits = apart(saved, price)
    bar = effect(max(0.0, saved / price), 1.0, "current")
    return filled(GAUGE, bar=bar, saved=f"{saved:.{digits}f}", price=f"{price:.{digits}f}", share=saved / price,
                  metric=named(question["metric"]))  # fmt: skip


def _columns(found: Sequence[Mapping[str, Any]]) -> Markup | str:
    if not found:
        return ""
    rows = [
        (one["name"], "" if one["effect"] is None else f"{one['effect']:.2f}", one["sentence"]) for one in found[:8]
    ]
    return table([("column", ""), ("effect", "num"), ("in words", "why")], rows)


def _importance(found: Sequence[Mapping[str, Any]], metric: str) -> Markup | str:
    """The columns that matter most to what is served, as shares of the main one; the rest are counted."""
    shares = importance_shares(found)
    shown = [one for one in found if shares.get(one["name"], 0.0) > 0][:MOST_IMPORTANT]
    if not shown:
        return ""
    rows = [(one["name"], effect(shares[one["name"]], 1.0, "current"), f"{one['importance']:.4f}") for one in shown]
    more = f", of {len(found)} columns" if len(found) > len(shown) else ""
    return table([("column", ""), ("", "wide"), ("worth", "num")], rows,
                 f"By how much {metric} gets worse when a column is shuffled{more}")  # fmt: skip


def _entry(model: str, entry: Mapping[str, Any], before: int, now: float) -> dict[str, Any]:
    what: Markup = marked(heading(dict(entry)), now)
    if entry["kind"] == "cycle":
        what = link(href("m", model, "cycle", entry["cycle"]), what)
    return {"at": time_element(entry["at"], now), "what": what, "words": marked(sentence(dict(entry), before), now)}


def _earlier(name: str, facts: Facts, asked: Asked) -> str:
    """The same page with more entries; "" where there are no more."""
    shown = len(facts["history"])
    is_all = shown < entries_asked_for(asked) or shown >= MOST_ENTRIES
    return "" if is_all else f"{href('m', name)}?entries={min(MOST_ENTRIES, 3 * shown)}"


def _files_href(name: str, kind: str | None, before: int | None = None) -> str:
    query = "&".join([*([f"state={kind}"] if kind else []), *([f"before={before}"] if before else [])])
    return f"{href('m', name)}{query and '?'}{query}#files"


def _files(name: str, found: Sequence[Mapping[str, Any]], now: float) -> Markup | str:
    if not found:
        return "None."
    rows = [
        (link(href("m", name, "file", one["name"]), one["path"]),
         time_element(one["at"], now), one["state"], "drift" if one["kind"] == "drift" else "", f"{one['rows']:,}",
         f"{one['labelled_rows']:,}", f"{one['rejected']:,}" if one["rejected"] else "", one["reason"])
        for one in found
    ]  # fmt: skip
    heads = [("file", ""), ("taken", ""), ("state", ""), ("check", ""), ("rows", "num"), ("labelled", "num"),
             ("rejected", "num"), ("why", "why")]  # fmt: skip
    return table(heads, rows)
