"""The pictures of a replay's page: which lines are drawn, and what the marks below them tell."""

from collections.abc import Sequence
from typing import Any

from daemon.reports.replay_chart import Line, Mark, chart, escaped
from daemon.reports.replay_text import told_outcome

OTHER_STYLES = ("other1", "other2", "other3", "other4")
Result = dict[str, Any]


def scores(result: Result) -> str:
    """Scores by batch of policy, baselines and variants, and what happened when."""
    lines = _named(result)
    label = f"{result['metric']} by batch of " + ", ".join(line.name for line in lines)
    drawn = chart(label, lines, _lanes(result["policy"]), result["initial"])
    return _figure(f"{result['metric']} of each batch, served before it was learned from", lines, drawn, True)


def gains(result: Result) -> str:
    """The sum of the gains over never retraining so far; nothing without that baseline."""
    never = result["baselines"].get("never")
    if never is None:
        return ""
    sign = 1.0 if result["greater_is_better"] else -1.0
    lines = [
        Line(line.name, _added_up(line.values, never["scores"], sign), line.style)
        for line in _named(result)
        if line.style != "never"
    ]
    drawn = chart("added-up gain over never retraining, by batch", lines, {}, result["initial"])
    return _figure("Rising: better than the first model at these batches; level: as good", lines, drawn, False)


def _named(result: Result) -> list[Line]:
    """What is drawn, the policy last: on top."""
    baselines = dict(result["baselines"])
    lines = []
    for name, style, words in (("never", "never", "never retrained"), ("every", "every", "retrained at every batch")):
        told = baselines.pop(name, None)
        if told is not None:
            more = f" (window {told['window']})" if "window" in told else ""
            lines.append(Line(words + more, told["scores"], style))
    others = [(name.replace("every", "each ") + " batches", told) for name, told in baselines.items()]
    others += list(result.get("variants", {}).items())
    for place, (name, told) in enumerate(others):
        lines.append(Line(name, told["scores"], OTHER_STYLES[place % len(OTHER_STYLES)]))
    return [*lines, Line("driftd", result["policy"]["scores"], "policy")]


def _added_up(values: Sequence[float | None], never: Sequence[float | None], sign: float) -> list[float | None]:
    total, found = 0.0, list[float | None]()
    for value, other in zip(values, never, strict=True):
        known = value is not None and other is not None
        total += sign * (value - other) if value is not None and other is not None else 0.0
        found.append(total if known else None)
    return found


def _figure(caption: str, lines: Sequence[Line], drawn: str, lanes: bool) -> str:
    if not drawn:
        return ""
    keys = "".join(
        f'<span class="key"><i class="{line.style}"></i>{escaped(line.name, 60)}</span>' for line in lines[::-1]
    )
    more = "".join(f'<span class="key"><i class="dot {word}"></i>{word}</span>' for word in ("promoted", "kept"))
    return (
        f"<figure><figcaption>{escaped(caption)}<br>{keys}{more if lanes else ''}</figcaption>"
        f'<div class="scroll">{drawn}</div></figure>'
    )


def _lanes(policy: dict[str, Any]) -> dict[str, list[Mark]]:
    """What happened, by kind."""
    retrains = [
        Mark(c["batch"] + 0.5, word, f"after batch {c['batch']}: {why}")
        for c, (word, why) in ((cycle, told_outcome(cycle)) for cycle in policy["cycles"])
    ]
    changes = [one for one in policy["deployments"] if one["kind"] != "promote"]
    lanes = {
        "retrained": retrains,
        "re-weighted": [_change(one) for one in changes if one["kind"] == "reweigh"],
        "rolled back": [_change(one) for one in changes if one["kind"] == "rollback"],
        "drift began": [Mark(at, "drift", f"batch {at}: drift began") for at in policy["drifts"]],
        "held": [Mark(one["batch"], "held", f"batch {one['batch']}: {one['reason']}") for one in policy["held"]],
    }
    return {name: marks for name, marks in lanes.items() if marks or name == "retrained"}


def _change(deployment: dict[str, Any]) -> Mark:
    members = ", ".join(f"{name} {weight:.0%}" for name, weight in deployment["members"].items())
    moved = ", recalibrated" if deployment["recalibrated"] else ""
    shape = "undone" if deployment["kind"] == "rollback" else "reweighed"
    return Mark(deployment["batch"] + 0.5, shape, f"after batch {deployment['batch']}: {members}{moved}")
