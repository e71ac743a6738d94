"""The table: for each stream and schedule what never retraining, labels at once, and this schedule came to."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.labels.runs import NEVER
from benchmarks.labels.schedules import AT_ONCE, REFERENCES
from daemon.tools.replay.evidence import paired

TOLERATED = 0.005
Results = Mapping[str, Mapping[str, Any]]


def markdown(results: Mapping[str, Results], names: Sequence[str]) -> str:
    """A line a stream and schedule; what is below never retraining by more than .005 is marked."""
    rows = [
        "| stream | schedule | never | at once | this | gain kept | against reference | retrains | rolled back |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    schedules = [name for name in names if name not in (NEVER, AT_ONCE)]
    for stream, told in results.items():
        rows += [_line(stream, name, told) for name in (AT_ONCE, *schedules) if {NEVER, AT_ONCE, name} <= told.keys()]
    return "\n".join([*rows, "", *(_pooled(results, name) for name in (AT_ONCE, *schedules))])


def _line(stream: str, name: str, told: Results) -> str:
    never, once, this = (told[one]["mean"] for one in (NEVER, AT_ONCE, name))
    gain = paired(told[name]["scores"], told[NEVER]["scores"], True)
    harmed = " ✗" if (gain.mean or 0.0) < -TOLERATED else ""
    kept = "–" if once - never < 2 * TOLERATED else f"{(this - never) / (once - never):.2f}"
    reference = told.get(REFERENCES.get(name, ""))
    against = "–" if reference is None else f"{this - reference['mean']:+.4f}"
    return (
        f"| {stream} | {name} | {never:.4f} | {once:.4f} | {this:.4f}{harmed} | {kept} | {against} "
        f"| {told[name]['retrains']} | {told[name]['rollbacks']} |"
    )


def _pooled(results: Mapping[str, Results], name: str) -> str:
    """The gains of all streams together as a share of what labels at once gain, and the least gain of a stream."""
    whole = [told for told in results.values() if {NEVER, AT_ONCE, name} <= told.keys()]
    if not whole:
        return f"{name}: no stream ran to its end"
    gains = [told[name]["mean"] - told[NEVER]["mean"] for told in whole]
    most = sum(told[AT_ONCE]["mean"] - told[NEVER]["mean"] for told in whole)
    share = "–" if most <= 0 else f"{sum(gains) / most:.3f}"
    return f"{name}: pooled {share}, least against never {min(gains):+.4f}"
