"""The section of a model's view that shows groups of rows: each with its recent scores, and how far they differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from daemon.reports.groups import disparity_sentence, estimate_words, percent
from daemon.reports.page.overview_html import named
from drift.notation import counted
from drift.report.charts import sparkline
from drift.report.glyphs import state
from drift.report.page import filled, notes, table

Json = Mapping[str, Any]
SECTION = """
<section id="groups"><h2>Groups</h2>
<p class="small soft">Over the newest {{ files }} that {{ version }} answered. ± is half of a 95% interval. A group is
 measured on {{ least }} settled rows or more; drawn are its newest scores, {{ low }} below and {{ high }} above.
{% if positive %} Rates are those of the answer "{{ positive }}".{% endif %}</p>{{ warnings }}
{% for content, sentences in columns %}{{ content }}{{ sentences }}{% endfor %}
</section>
"""


def groups_section(found: Json | None) -> Markup | str:
    """All columns that are watched; nothing where none are."""
    if found is None:
        return ""
    values = [value for one in _all(found) for _, value, _ in one["trail"]]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    columns = [(_table(found, column, low, high), _differences(found, column)) for column in found["columns"]]
    return filled(
        SECTION, files=counted(found["files"], "file"), version=found["version"], least=found["least"], columns=columns,
        low=f"{low:.4f}", high=f"{high:.4f}", positive=found["positive"], warnings=notes(found["warnings"]),
    )  # fmt: skip


def _differences(found: Json, column: Json) -> Markup | str:
    return notes([disparity_sentence(found, column["groups"], one) for one in column["disparities"]])


def _all(found: Json) -> list[Json]:
    return [found["all_rows"], *(one for column in found["columns"] for one in column["groups"])]


def _table(found: Json, column: Json, low: float, high: float) -> Markup:
    """A row a group, all rows first."""
    metric = named(found["metric"])
    heads = [(column["column"], ""), ("state", ""), ("recent", "wide"), (metric, "num"), ("rows", "num"),
             ("settled", "num"), ("selection rate", "num"), ("true-positive rate", "num")]  # fmt: skip
    whole = found["all_rows"] | {"group": "all rows"}
    rows = [_row(whole, "", low, high), *(_row(one, _state(one), low, high) for one in column["groups"])]
    more = f"{column['left_out']} smaller groups are not listed" if column["left_out"] else ""
    return table(heads, rows, more)


def _row(one: Json, shown_state: Markup | str, low: float, high: float) -> Sequence[Any]:
    trail = [value for _, value, _ in one["trail"]]
    drawn = sparkline(f"{one['group']}: {counted(len(trail), 'score')}", trail, low, high) if len(trail) > 1 else ""
    value = "too few" if one["score"] is None else estimate_words(one["score"])
    shares = [_share(one[key]) for key in ("selection", "true_positive")]
    return one["group"], shown_state, drawn, value, f"{one['rows']:,}", f"{one['settled']:,}", *shares


def _state(one: Json) -> Markup | str:
    if one["degraded"] is not None:
        return state("warn", "worse than before")
    return "" if one["score"] is None else state("ok", "as before")


def _share(found: Json | None) -> str:
    return "" if found is None else f"{percent(found['value'])} ± {100 * (found['high'] - found['low']) / 2:.1f}"
