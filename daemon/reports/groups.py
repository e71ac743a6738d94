"""Groups of rows in words: how what is served does on them, and how far they differ."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drift.notation import counted, score
from retrain.records.group_words import group_words

Json = Mapping[str, Any]


def groups_json(found: Json | None) -> dict[str, Any] | None:
    """What `driftd status --json` has of a model's groups: what the ledger keeps, with `sentences` and, of what is
    worse or differs too much, `warnings`; of its brief these alone. None where none are watched or nothing was answered
    yet."""
    if found is None:
        return None
    warnings = [group_words(one) for one in (*found["degraded"], *found["exceeded"])]
    told = list(sentences(found)) if "columns" in found else []
    return {**found, "sentences": told, "warnings": warnings}


def sentences(found: Json) -> Iterator[str]:
    """A line for each column and each figure that differs."""
    over = f"over the newest {counted(found['files'], 'file')} that {found['version']} answered"
    for column in found["columns"]:
        yield column_sentence(found, column) + f", {over}"
        for one in column["disparities"]:
            yield disparity_sentence(found, column["groups"], one)


def column_sentence(found: Json, column: Json) -> str:
    """The groups that do worst and best.

    >>> groups = [{"group": name, "score": {"value": value, "low": value - .02, "high": value + .02}}
    ...           for name, value in (("north", 0.7), ("south", 0.8))] + [{"group": "east", "score": None}]
    >>> column_sentence({"metric": "accuracy", "least": 100, "greater_is_better": True},
    ...                 {"column": "region", "groups": groups})
    'region: accuracy from 0.7000 ± 0.0200 (north) to 0.8000 ± 0.0200 (south); 1 of 3 groups has under 100 settled rows'
    """
    groups = column["groups"]
    known = sorted((one for one in groups if one["score"] is not None), key=lambda one: one["score"]["value"])
    few = len(groups) - len(known)
    have = "has" if few == 1 else "have"
    lacking = f"{few} of {counted(len(groups), 'group')} {have} under {found['least']} settled rows"
    if not known:
        return f"{column['column']}: {lacking}" if groups else f"{column['column']}: no row had a value"
    ends = known if found["greater_is_better"] else known[::-1]
    worst, best = (f"{estimate_words(one['score'])} ({one['group']})" for one in (ends[0], ends[-1]))
    span = worst if len(known) == 1 else f"from {worst} to {best}"
    return f"{column['column']}: {found['metric']} {span}" + (f"; {lacking}" if few else "")


def estimate_words(found: Json) -> str:
    """A value with half of its 95 % interval.

    >>> estimate_words({"value": 0.8, "low": 0.78, "high": 0.82})
    '0.8000 ± 0.0200'
    """
    return f"{score(found['value'])} ± {score((found['high'] - found['low']) / 2)}"


def disparity_sentence(found: Json, groups: Sequence[Json], one: Json) -> str:
    """The two groups that differ most in a figure.

    >>> groups = [{"group": name, "selection": {"value": value}} for name, value in (("north", .25), ("south", .41))]
    >>> one = {"figure": "selection rate", "column": "region", "high": "south", "low": "north", "difference": 0.16,
    ...        "interval": [0.1, 0.22], "compared": 2}
    >>> disparity_sentence({"positive": "yes"}, groups, one)
    'selection rate of "yes" by region: south 41.0%, north 25.0%, 16.0 points apart (95% interval 10.0 to 22.0)'
    """
    key = "selection" if one["figure"] == "selection rate" else "true_positive"
    shares = {each["group"]: each[key]["value"] for each in groups if each.get(key) is not None}
    apart = 100 * one["difference"]
    if {one["high"], one["low"]} <= shares.keys():
        apart = round(100 * shares[one["high"]], 1) - round(100 * shares[one["low"]], 1)
    high, low = (
        f"{one[end]} {percent(shares[one[end]])}" if one[end] in shares else one[end] for end in ("high", "low")
    )
    ends = " to ".join(f"{100 * end:.1f}" for end in one["interval"])
    of_all = "" if one["compared"] == 2 else f", for all {one['compared']} groups together"
    told = f"{apart:.1f} points apart (95% interval {ends}{of_all})"
    return f'{one["figure"]} of "{found["positive"]}" by {one["column"]}: {high}, {low}, {told}'


def percent(share: float) -> str:
    """A share as a percentage with one digit, so that two and their difference add up.

    >>> percent(0.4096)
    '41.0%'
    """
    return f"{100 * share:.1f}%"
