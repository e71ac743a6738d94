"""A model's versions: which file and cycle each came from, what it was expected to bring, and two side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from daemon.ledger import Ledger
from daemon.reports.page.actions import button, href, link
from daemon.reports.page.asked import Asked, Facts, PageReader
from daemon.reports.page.lineage import lineage, served_periods
from daemon.reports.page.moments import time_element
from daemon.reports.page.overview_html import named
from daemon.reports.versions import expected_cell, realised_cell, service_cell, versions_of
from drift.notation import counted, score
from drift.report.page import filled, table
from drift.report.site import ServedPage
from retrain.planning.forecast_words import COVERS

A_PAGE, OUTSIDE = 40, ", outside"
MOST_IN_LINE, MOST_PERIODS = 5, 3
MADE = "<b>{{ version }}</b>{% if by %} by {{ by }}{% endif %}{% if value %} · {{ value }} held out{% endif %}"
SERVED = """{% for begun, ended in periods %}{{ "" if loop.first else ", " }}{% if ended %}{{ begun }} to {{ ended }}
{%- else %}<b>serves</b> since {{ begun }}{% endif %}{% endfor %}"""
CONTENT = """
{% if line %}<section><h2>From files to service</h2><ol class="lineage">{% for files, made, served in line %}
<li><span>{{ files }}</span><span>{{ made }}</span><span>{{ served }}</span></li>{% endfor %}</ol></section>{% endif %}
{% if side %}<section><h2>{{ pair }}</h2>{{ side }}</section>{% endif %}
<section><h2>All versions, the newest first</h2>{{ versions }}
{% if pages %}<p class="pages">{% for word, at in pages %}<a href="{{ at }}">{{ word }}</a>{% endfor %}</p>{% endif %}
</section>
<p class="soft small">Expected: {{ covers }}. Realised: what it came to. ≈: estimated on rows without
 labels.</p>
"""
CARDS = """
{{ compared }}{% for name, card in cards %}
<details class="table"><summary>Model card of {{ name }}</summary><pre tabindex="0">{{ card }}</pre></details>
{% endfor %}
"""


def view_of_versions(reader: PageReader, ledger: Ledger, asked: Asked) -> Facts | None:
    """`versions` is what `driftd versions --json` prints, oldest first; `made` has when each was made. With `?a=V&b=W`
    these two stand side by side, else what is served and what was made before it;
    `lineage` says where they come from."""
    model = asked.path[1]
    if model not in reader.config.models:
        return None
    with ledger.connect() as conn:
        found = versions_of(conn, reader.config, model)
        facts = [one for _, one in found]
        pair, paths = _pair(facts, asked.query), reader.paths.model(model)
        newest = [one["version"] for one in facts[-MOST_IN_LINE:]]
        origins = {one["version"]: lineage(conn, paths, one) for one in facts if one["version"] in (*pair, *newest)}
        periods = served_periods(conn, model, newest)
    served = [one["version"] for one in facts if one["served"]]
    title = f"{model} serves {' and '.join(served)}." if served else f"{model} has no version yet."
    if len(served) > 2:
        title = f"{model} serves a blend of {len(served)} versions."
    if elsewhere := reader.config.models[model].is_elsewhere:
        reference = f"its reference is {served[0]}" if served else "it has no reference yet"
        title = f"{model} is served elsewhere; {reference}."
    first = asked.query.get("from", "0")
    return {
        "view": "versions", "model": model, "title": title, "versions": facts, "elsewhere": elsewhere,
        "made": {row.name: row.created_at for row, _ in found}, "side_by_side": pair, "lineage": origins,
        "line": newest, "served": periods,
        "from": int(first) if first.isascii() and first.isdigit() and len(first) < 9 else 0,
    }  # fmt: skip


def _pair(facts: Sequence[Mapping[str, Any]], query: Mapping[str, str]) -> list[str]:
    """The names of two versions that are compared; none where there is only one."""
    names = [one["version"] for one in facts]
    asked = [query[key] for key in ("a", "b") if query.get(key) in names]
    if len(asked) == 2:
        return asked
    newest = next((at for at in reversed(range(len(facts))) if facts[at]["served"]), len(facts) - 1)
    return [names[newest - 1], names[newest]] if newest > 0 else []


def versions_html(facts: Facts, asked: Asked) -> str:
    """Two side by side, then all of them."""
    model, found = facts["model"], list(reversed(facts["versions"]))
    first = facts["from"]
    shown, pair = found[first : first + A_PAGE], facts["side_by_side"]
    at = href("m", model, "versions")
    pages = [("newer", f"{at}?from={max(0, first - A_PAGE)}")] if first else []
    pages += [("older", f"{at}?from={first + A_PAGE}")] if first + A_PAGE < len(found) else []
    content = filled(
        CONTENT, covers=COVERS, pages=pages, line=[] if first else _line(facts, asked),
        pair=" and ".join(pair), side=_side(facts, pair, asked),
        versions=_table(facts, shown, asked) if shown else "None yet.",
    )  # fmt: skip
    return ServedPage(facts["title"], content, link(href("m", model), model), follows=True).html()


def _table(facts: Facts, shown: Sequence[Mapping[str, Any]], asked: Asked) -> Markup:
    model, names = facts["model"], [one["version"] for one in facts["versions"]]
    heads = [("version", ""), ("made", ""), ("held-out", "num"), ("expected", "num"), ("realised", "num"),
             ("in service", "num"), ("rows", "num"), ("cycle", ""), ("state", ""), ("", "")]  # fmt: skip
    rows = []
    for one in shown:
        before = names[max(0, names.index(one["version"]) - 1)]
        compare = f"{href('m', model, 'versions')}?a={before}&b={one['version']}"
        rows.append((
            link(compare, one["version"]), time_element(facts["made"][one["version"]], asked.now), _value(one),
            expected_cell(one), realised_cell(one, OUTSIDE), service_cell(one), f"{one['train_rows']:,}",
            _cycle(model, one), _state(one), "" if facts["elsewhere"] else _promote(one, model, asked),
        ))  # fmt: skip
    return table(heads, rows)


def _side(facts: Facts, pair: Sequence[str], asked: Asked) -> Markup | str:
    """What differs between two, in the same order for both."""
    if len(pair) != 2:
        return ""
    by_name = {one["version"]: one for one in facts["versions"]}
    one, other = (by_name[name] for name in pair)
    what = (
        ("made", lambda v: time_element(facts["made"][v["version"]], asked.now)), ("state", _state),
        (f"{named(one['metric'])}, held out", _value), ("expected gain", expected_cell),
        ("realised gain", lambda v: realised_cell(v, OUTSIDE)),
        ("in service", service_cell), ("trained on rows", lambda v: f"{v['train_rows']:,}"),
        ("trained on files", lambda v: _files(facts["lineage"][v["version"]])),
        ("made by", lambda v: _cycle(facts["model"], v)), ("stored in", lambda v: v["path"]),
    )  # fmt: skip
    rows = [(name, value(one) or "–", value(other) or "–") for name, value in what]
    cards = [(name, card) for name in pair if (card := facts["lineage"][name]["card"])]
    compared = table([("", ""), (pair[0], ""), (pair[1], "")], rows)
    return filled(CARDS, compared=compared, cards=cards)


def _line(facts: Facts, asked: Asked) -> list[tuple[str, Markup, Markup | str]]:
    """Of the newest versions: the files that taught it, what it is and what made it, and when it answered."""
    by_name = {one["version"]: one for one in facts["versions"]}
    shown = []
    for name in reversed(facts["line"]):
        one, taught = by_name[name], _files(facts["lineage"][name], "file")
        files = f"{taught} · {one['train_rows']:,} rows" if taught else f"{one['train_rows']:,} rows"
        made = filled(MADE, version=name, by=_cycle(facts["model"], one), value=_value(one))
        shown.append((files, made, _served(facts["served"].get(name, ()), asked.now) or "never served alone"))
    return shown


def _served(periods: Sequence[Sequence[float | None]], now: float) -> Markup | str:
    """When it answered, the newest times first."""
    shown = [(time_element(begun, now), "" if ended is None else time_element(ended, now)) for begun, ended in
             reversed(periods[-MOST_PERIODS:]) if begun is not None]  # fmt: skip
    return filled(SERVED, periods=shown) if shown else ""


def _files(origin: Mapping[str, Any], unit: str = "") -> str:
    """How many, and which was the first and the last."""
    if origin["files"] is None:
        return ""
    names = [name for name in dict.fromkeys((origin["first"], origin["last"])) if name is not None]
    count = counted(origin["files"], unit) if unit else f"{origin['files']:,}"
    return f"{count}{': ' if names else ''}{' to '.join(names)}"


def _value(one: Mapping[str, Any]) -> str:
    se = "" if one["se"] is None else f" ± {one['se']:.4f}"
    return "" if one["value"] is None else f"{score(one['value'])}{se}"


def _cycle(model: str, one: Mapping[str, Any]) -> Markup | str:
    return "" if one["cycle"] is None else link(href("m", model, "cycle", one["cycle"]), f"cycle {one['cycle']}")


def _state(one: Mapping[str, Any]) -> str:
    parts = ["serves"] if one["served"] else [str(one["state"])]
    parts += ["pinned"] if one["pinned"] else []
    if one["trial"] is not None and one["trial"]["outcome"] != "promoted":
        parts.append(one["trial"]["outcome"] or "on trial")
    return ", ".join([*parts, *(["rolled back"] if one["rolled_back"] else [])])


def _promote(one: Mapping[str, Any], model: str, asked: Asked) -> Markup | str:
    if one["served"] or one["state"] != "stored" or not asked.may_act:
        return ""
    sure = f"{one['version']} answers within seconds; nothing is trained. It stays until a cycle promotes another."
    return button(asked, model, "promote", "Promote", {"version": one["version"]}, sure=sure)
