"""The page of a comparison: what drifted, how far and how surely, then every column with its distributions."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from drift.check.report import DECISIVE
from drift.notation import counted, number, p_value, seconds, share
from drift.report import charts
from drift.report.distribution import Distribution, picture, rows_of
from drift.report.page import Page, cut, filled, notes, table
from drift.report.words import drift_verdict, ranked, together, trust
from drift.statistics.registry import title

Column = Mapping[str, Any]

MOST_VALUES = 10
MOST_LISTED = 12
TESTS = [("test", ""), ("statistic", "num"), ("p value", "num"), ("p adjusted", "num"), ("note", "why")]
LEFT_OUT = [("column", ""), ("why it is not compared", "why")]
SHARES = [("share of rows", ""), ("before", "num"), ("now", "num"), *TESTS[2:]]
FOOTER = (
    "Effect: the KS distance of a numeric column, the total variation of a categorical one, from 0 to 1. p adjusted: "
    "for all tests of this comparison. Shares in pictures are of the values that are not missing."
)

CARD = """
<article class="card" aria-labelledby="{{ place }}">
<div class="head"><h3 id="{{ place }}"><bdi>{{ column.name }}</bdi></h3>
<span class="soft small">{{ column.kind }}</span> <span class="mark">▲ drift</span></div>
{% for words in (column.sentence, column.reason) if words %}<p>{{ words }}</p>
{% endfor %}
<p class="facts">{{ facts }}</p>
{{ picture }}
{{ tests }}
</article>
"""

FOLD = """
<details class="fold"><summary>
<span class="name"><bdi>{{ column.name }}</bdi> <span class="soft small">{{ column.kind }}</span></span>
<span>{{ spark }}</span><span class="facts">{{ column.reason or facts }}</span></summary>
<div>{{ picture }}
{{ tests }}</div></details>
"""

FACTS = """
<span><small>effect</small> {{ effect|number }}</span> <span><small>p adjusted</small> {{ p_adjusted|p_value }}</span>
<span><small>missing</small> {{ missing.reference|share }} → {{ missing.current|share }}</span>
"""

LINK = '<a href="#{{ place }}"><bdi>{{ name|cut }}</bdi></a>'


def compare_page(result: Mapping[str, Any], distributions: Mapping[str, Distribution]) -> str:
    """The result of `compare` as one file of HTML; see `comparison`."""
    return comparison(result, distributions).html()


def comparison(result: Mapping[str, Any], distributions: Mapping[str, Distribution], anchor: str = "d") -> Page:
    """The result of `compare` as one page: the verdict, its figures, drifted columns as cards, the others folded.

    `distributions` holds by column either `edges` (of `dates` where that is true: seconds since 1970) or `categories`,
    and the shares of both sides, `reference` and `current`; the first and the last bin also hold what lies beyond.
    A column without one has no picture. The same input gives the same page. Links within it begin with `anchor`.
    """
    columns = ranked(result)
    drifted = [column for column in columns if column["drift"]]
    judged = [column for column in columns if not column["drift"] and not column.get("reason")]
    untested = [column for column in columns if not column["drift"] and column.get("reason")]
    left_out = [(column["name"], column["reason"]) for column in result.get("left_out", ())]
    cards, folded, bare = (
        Markup("\n").join(
            _column(column, distributions.get(column["name"], {}), f"{anchor}{at}") for at, column in enumerate(group)
        )
        for group in (drifted, judged, untested)
    )
    lede = [f"Most of all {column['sentence']}." for column in drifted[:1] if column.get("sentence")]
    lede += [together(result["multivariate"])] if result.get("multivariate") else []
    took = "" if result.get("seconds") is None else f"Compared in {seconds(result['seconds'])}. "
    return Page(
        command="compare", title=drift_verdict(result), lede=lede, figures=_figures(result), footer=f"{took}{FOOTER}",
        sections=[
            ("What moved", _moved(drifted, result["min_effect"], anchor)),
            (f"Drifted ({len(drifted)})", cards),
            (f"No drift ({len(judged)})", folded),
            (f"Not tested ({len(untested)})", bare),
            (f"Left out ({len(left_out)})", table(LEFT_OUT, left_out) if left_out else ""),
            ("Notes", notes([*result["notes"], *trust(result)])),
        ],
    )  # fmt: skip


def _figures(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    sides = [(side, f"{counted(result[side]['rows'], 'row')}", cut(result[side].get("path", " "), 300))
             for side in ("reference", "current")]  # fmt: skip
    return [
        *((side.capitalize(), rows, path) for side, rows, path in sides),
        ("False alarms", f"at most {number(result['alpha'])}", "of comparisons without drift (alpha)"),
        ("Smallest effect", number(result["min_effect"]), "smaller ones are no drift"),
    ]


def _moved(drifted: Sequence[Column], limit: float, anchor: str) -> Markup | str:
    """The drifted columns at a glance, where there are several."""
    if len(drifted) < 2:
        return ""
    rows = [
        (filled(LINK, place=f"{anchor}{place}", name=column["name"]), charts.effect(column["effect"] or 0.0, limit),
         number(column["effect"]), column.get("sentence", "").removeprefix(f"{column['name']} "))
        for place, column in enumerate(drifted[:MOST_LISTED])
    ]  # fmt: skip
    more = f"and {len(drifted) - MOST_LISTED} more, below" if len(drifted) > MOST_LISTED else ""
    heads = [("column", ""), ("effect", "wide"), ("", "num"), ("what", "why")]
    return table(heads, rows) + filled('<p class="soft small">{{ more }}</p>', more=more)


def _column(column: Column, distribution: Distribution, place: str) -> Markup:
    """The card of a drifted column, or another one folded."""
    name, rows = column["name"], rows_of(distribution)
    return filled(
        CARD if column["drift"] else FOLD, column={"sentence": "", "reason": ""} | dict(column), place=place,
        facts=filled(FACTS, **{key: column[key] for key in ("effect", "p_adjusted", "missing")}),
        spark=charts.spark(name, rows) if rows else "", picture=picture(name, distribution),
        tests=table(TESTS, [_test(column, *test) for test in column["tests"].items()], "Tests")
        + table(SHARES, _shares(column)),
    )  # fmt: skip


def _test(column: Column, name: str, score: Mapping[str, Any]) -> tuple[str, ...]:
    more = [(key, value) for key, value in score.items() if key not in ("statistic", "p_value", "reason")]
    extras = ", ".join(f"{key.replace('_', ' ')} {_extra(value)}" for key, value in more)
    probability = p_value(score["p_value"]) if "p_value" in score else ""
    adjusted = p_value(column["p_adjusted"]) if name in DECISIVE else ""
    note = "; ".join(filter(None, (extras, score.get("reason"))))
    return title(name), number(score["statistic"]), probability, adjusted, note


def _shares(column: Column) -> list[tuple[str, ...]]:
    missing, unseen = column["missing"], column.get("unseen")
    lines = [("missing", missing["reference"], missing["current"], missing, "")]
    if unseen is not None:
        values = [cut(value) for value in unseen["values"][:MOST_VALUES]]
        more = ["…"] if len(unseen["values"]) > MOST_VALUES else []
        lines.append(("never seen before", unseen["expected"], unseen["share"], unseen, ", ".join([*values, *more])))
    return [
        (name, share(before), share(now), p_value(test["p_value"]), p_value(test["p_adjusted"]),
         "; ".join(filter(None, (words, test.get("reason")))))
        for name, before, now, test, words in lines
    ]  # fmt: skip


def _extra(value: Any) -> str:
    plain = value is None or isinstance(value, int | float)
    return number(value) if plain and not isinstance(value, bool) else cut(value)
