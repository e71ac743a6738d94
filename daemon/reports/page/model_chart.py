"""The chart of a model's view: its quality file by file, what happened, and what would have been."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from daemon.reports.page.asked import Facts
from daemon.reports.page.changes import words
from daemon.reports.page.moments import day
from daemon.reports.page.overview_html import named
from drift.report.charts import Line, Mark
from drift.report.quality_chart import quality

GHOSTS = (("without", "without the last retrain", "never"), ("fresh", "a fresh small model for each file", "every"))


def quality_chart(facts: Facts, history: Sequence[Mapping[str, Any]]) -> Markup | str:
    """Nothing where too little was measured."""
    found = facts["points"]
    metric = next((one["metric"] for one in reversed(found) if one["metric"]), "")
    days = [day(one["at"]) for one in found]
    evaluated = None if facts["quality"] is None else facts["quality"]["evaluated"]
    return quality(
        named(metric), [one["file"] for one in found], [one["value"] for one in found],
        [None if one["interval"] is None else (one["interval"][0], one["interval"][1]) for one in found],
        [one["estimated"] for one in found], evaluated, _marks(found, history), days,
        [Line(name, [one[key] for one in found], style) for key, name, style in GHOSTS],
    )  # fmt: skip


def _marks(found: Sequence[Mapping[str, Any]], history: Sequence[Mapping[str, Any]]) -> list[Mark]:
    """Drifted and held files stand at their places, promotions and roll-backs between the files around them."""
    marks = [Mark(at, "drift", f"{one['file']}: {', '.join(one['drifted'][:3])} drifted")
             for at, one in enumerate(found) if one["drift"]]  # fmt: skip
    marks += [Mark(at, "held", f"{one['file']} is held") for at, one in enumerate(found) if one["state"] == "held"]
    times = [one["at"] for one in found]
    for entry in history:
        kind = "rollback" if entry["kind"] == "roll_back" else "promoted" if _promoted(entry) else ""
        if kind and times and entry["at"] >= times[0]:
            marks.append(Mark(bisect_left(times, entry["at"]) - 0.5, kind, words(entry)))
    return marks


def _promoted(entry: Mapping[str, Any]) -> bool:
    return bool(entry["kind"] == "promotion" or (entry["kind"] == "cycle" and entry["state"] == "promoted"))
