"""The columns of a file's check: those that matter most as pictures, then all of them as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from daemon.reports.page.distributions import Distributions
from drift.notation import p_value, share
from drift.report.charts import effect
from drift.report.distribution import picture
from drift.report.page import filled, table
from retrain.records.prediction_shift import shift_sentence

MOST_COLUMNS, MOST_DRAWN = 200, 9
CONTENT = """
{% if drawn %}<section><h2>Columns that matter most</h2><p class="soft small">By effect times importance, those that
 drifted first. Reference: the rows that taught {{ version }}.</p>
<div class="multiples">{% for one, picture in drawn %}
<article{% if one.drift %} class="drifted"{% endif %}><h3><bdi>{{ one.name }}</bdi>
{% if one.drift %}<span class="mark">▲ drift</span>{% endif %}</h3><p class="facts"><span><small>effect</small>
 {{ '%.3f'|format(one.effect or 0) }}</span>{% if one.share is not none %} <span><small>importance</small>
 {{ '%.0f'|format(100 * one.share) }} %</span>{% endif %}{% if one.missing %} <span><small>missing</small>
 {{ one.missing }}</span>{% endif %}</p>
{% if one.moves %}<p class="soft small">{{ one.moves }}</p>{% endif %}
{{ picture }}</article>
{% endfor %}</div></section>{% endif %}
<section><h2>All columns</h2><p class="soft small">{{ explained }}</p>{{ all }}
{% if more %}<p class="soft small">and {{ more }} more that matter less</p>{% endif %}</section>
"""
EXPLAINED = (
    "Effect: the KS distance of numbers, the total variation of categories, between 0 and 1. Importance: how much "
    "worse the model gets when the column is shuffled; 100 % is its main column."
)
Column = Mapping[str, Any]


def by_weight(found: Sequence[Column]) -> list[Column]:
    """By effect times importance, those that drifted first; a column without a known importance counts as the main one.

    >>> columns = [{"name": name, "drift": False, "effect": effect, "importance": importance}
    ...            for name, effect, importance in (("x", 0.2, 0.01), ("y", 0.1, 0.1), ("z", None, 0.05))]
    >>> [one["name"] for one in by_weight(columns)]
    ['y', 'x', 'z']
    """
    shares = importance_shares(found)

    def key(one: Column) -> tuple[bool, float]:
        return not one["drift"], -(one.get("effect") or 0.0) * shares.get(one["name"], 1.0)

    return sorted(found, key=key)


def importance_shares(found: Sequence[Column]) -> dict[str, float]:
    """Of each column whose importance is known, it as a share of the largest; empty where none has any."""
    known = {one["name"]: max(0.0, one["importance"]) for one in found if one.get("importance") is not None}
    most = max(known.values(), default=0.0)
    return {name: value / most for name, value in known.items()} if most > 0 else {}


def columns_html(
    found: Sequence[Column], distributions: Distributions, version: str, min_effect: float
) -> Markup | str:
    """Small multiples of those that can be drawn, and a table of all; effects below `min_effect` are no drift."""
    if not found:
        return ""
    shares = importance_shares(found)
    drawn = [
        ({**one, "share": shares.get(one["name"]), "missing": _missing(one), "moves": _moves(one)}, shown)
        for one in found
        if (shown := picture(one["name"], distributions.get(one["name"], {})))
    ]
    whole = _table(found[:MOST_COLUMNS], shares, min_effect)
    return filled(CONTENT, drawn=drawn, version=version, explained=EXPLAINED, all=whole,
                  more=max(0, len(found) - MOST_COLUMNS))  # fmt: skip


def _table(found: Sequence[Column], shares: Mapping[str, float], min_effect: float) -> Markup:
    heads = [("column", ""), ("effect", "wide"), ("", "num"), ("importance", "num"), ("p", "num"), ("missing", "num"),
             ("", ""), ("in words", "why")]  # fmt: skip
    rows = [
        (one["name"], *_effect(one, min_effect), _importance(one, shares), p_value(one.get("p_adjusted")),
         _missing(one),
         filled('<span class="mark">drift</span>') if one["drift"] else "", one.get("sentence") or "")
        for one in found
    ]  # fmt: skip
    return table(heads, rows)


def _importance(one: Column, shares: Mapping[str, float]) -> str:
    known = shares.get(one["name"])
    return "" if known is None else f"{100 * known:.0f} %"


def _effect(one: Column, min_effect: float) -> tuple[Markup | str, str]:
    found = one.get("effect")
    if found is None:
        return "", ""
    return effect(found, min_effect, "effect" if one["drift"] else "reference"), f"{found:.3f}"


def _missing(one: Column) -> str:
    found = one.get("missing")
    if not found or found["reference"] == found["current"]:
        return ""
    return f"{share(found['reference'])} → {share(found['current'])}"


def _moves(one: Column) -> str:
    """What a drifted column does to predictions; checks of earlier versions of driftd, and of what cannot be told
    cheaply, do not have it."""
    found = one.get("prediction_shift")
    words = shift_sentence(found) if found else ""
    return f"{words[0].upper()}{words[1:]}." if words else ""
