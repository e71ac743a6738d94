"""What reports say of a recommendation that they say of no other task. Plain values of the ledger in, words out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drift.notation import counted, number, percent, score
from retrain.records.errors import Refused
from retrain.store.versions import read_json

HALF_LIVES = (0.125, 0.5, 2.0, 8.0, None)
"""Of the popularities, in files; as `retrain.recommendation.parts` has them, which loads numerical libraries."""
METRIC = "ndcg_at_10"
MOST_PARTS = 4
"""Of a blend, named in a sentence."""


def blend_facts(calibration: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Of a deployment's calibration, if that is a blend: on how many choices it was learned, whether seen items are
    left out, and its weights with and without a history."""
    if calibration is None or "exclude_seen" not in calibration:
        return None
    names = {"with_history": "warm", "without": "cold"}
    weights = {told: dict(calibration[name]) for told, name in names.items()}
    return {"choices": calibration["choices"], "exclude_seen": calibration["exclude_seen"], "weights": weights}


def own_blend(version: Path) -> dict[str, Any] | None:
    """What a version of a recommendation began with, from its folder; None of any other one, or where it
    cannot be read."""
    try:
        blend: dict[str, Any] = read_json(version / "recommender.json")["blend"]
    except (Refused, KeyError):
        return None
    return blend


def blend_sentence(blend: Mapping[str, Any]) -> str:
    """What a blend goes by.

    >>> blend_sentence({"choices": 900, "exclude_seen": True,
    ...                 "weights": {"with_history": {"transitions": 1.25, "ease": -0.5, "seen": 0.0}, "without": {}}})
    'of 900 choices: transitions +1.25, ease -0.5; items that a user had are left out'
    """
    ranked = sorted(blend["weights"]["with_history"].items(), key=lambda one: -abs(one[1]))
    parts = ", ".join(
        f"{name} {'+' if weight > 0 else ''}{number(weight)}" for name, weight in ranked[:MOST_PARTS] if weight
    )
    seen = "are left out" if blend["exclude_seen"] else "may come again"
    return f"of {counted(blend['choices'], 'choice')}: {parts}; items that a user had {seen}"


def in_service_sentence(newest: Mapping[str, Any]) -> str:
    """How the newest assessed file came out.

    >>> in_service_sentence({"metric": "ndcg_at_10", "value": 0.131, "rows": 300, "popularity": [0.05, 0.12]})
    'ndcg_at_10 0.1310 on 300 moments of the newest file; popularity alone 0.1200'
    """
    alone = "" if not newest["popularity"] else f"; popularity alone {score(max(newest['popularity']))}"
    moments = counted(newest["rows"], "moment")
    return f"{newest['metric']} {score(newest['value'])} on {moments} of the newest file{alone}"


def half_life_words(place: int) -> str:
    """The popularity at a place among the half-lives, named by its half-life.

    >>> half_life_words(1), half_life_words(4)
    ('popularity (half-life of 0.5 files)', 'popularity of all time')
    """
    files = HALF_LIVES[place]
    return "popularity of all time" if files is None else f"popularity (half-life of {files:g} files)"


def lists_sentence(lists: Mapping[str, Any]) -> str:
    """What a challenger's lists are like.

    >>> lists_sentence({"coverage": 0.2, "gini": 0.91, "fallback_share": 0.125})
    'its lists of ten hold 20% of all items (Gini of exposure 0.91); 12% come from popularity alone'
    """
    return (
        f"its lists of ten hold {percent(lists['coverage'])} of all items (Gini of exposure {number(lists['gini'])}); "
        f"{percent(lists['fallback_share'])} come from popularity alone"
    )
