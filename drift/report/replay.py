"""The page of a replay: what a configuration would have paid over history, and when it did what, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from drift.notation import counted, percent, score, seconds
from drift.report import charts, words
from drift.report.charts import Line, Mark
from drift.report.page import Page, filled, notes, table

Result = Mapping[str, Any]
OTHER_STYLES = ("other1", "other2", "other3", "other4")
FOOTER = (
    "Each batch was served, then its labels were shown, then the planner decided. CPU counts retrains and probes "
    "(small models that tell what a fresh one would gain, archive, recalibration), not serving and drift checks. The "
    "best window of “every” is chosen in hindsight."
)
CYCLE_HEADS = [("after batch", ""), ("trigger", ""), ("window", ""), ("outcome", ""), ("champion", "num"),
               ("challenger", "num"), ("why", "why")]  # fmt: skip
SUGGESTION = "<p>{{ reason }}.</p>{% if toml %}<pre>{{ toml }}</pre>{% endif %}{{ tried }}"


def replay_page(result: Result) -> str:
    """The JSON result of `replay` as one page. The same input gives the same page."""
    title, *lede = [*words.replay_verdict(result)] or [f"{result['metric']} {score(result['policy']['mean'])}"]
    came = result["labels"]
    late = "" if came == words.AT_ONCE else f"Replayed with {came}; the baseline “every” has all labels at once. "
    lede += words.settled_lines(result["policy"])
    held = [[one["batch"], one["reason"]] for one in result["policy"]["held"]]
    return Page(
        command="replay", title=title.removesuffix("."), lede=lede, figures=_figures(result), footer=f"{late}{FOOTER}",
        sections=[
            ("Scores over time", _scores(result)),
            ("Gain over never retraining, added up", _gains(result)),
            ("Policies", _policies(result)),
            ("Cycles", _cycles(result["policy"])),
            ("Held batches", table([("batch", ""), ("why", "why")], held) if held else ""),
            ("Suggestion", _suggestion(result.get("suggestion"))),
            ("Notes", notes(result["notes"])),
        ],
    ).html()  # fmt: skip


def _figures(result: Result) -> list[tuple[str, str, str]]:
    policy, baselines = result["policy"], result["baselines"]
    names = {"never": "never retraining", "every": "at every batch"}
    against = [f"{score(baselines[name]['mean'])} {names[name]}" for name in names if name in baselines]
    spent = policy["cpu_seconds_by_purpose"]
    recovered = [("Recovered", percent(result["recovered"] or 0.0), "of what a retrain at every batch gains")]
    return [
        (result["metric"], score(policy["mean"]), ", ".join(against)),
        *(recovered if result["recovered"] is not None else []),
        ("Retrains", f"{policy['retrains']} ({percent(policy['retrain_share'])})",
         f"allowed {policy['budget']['allowed']}"),
        ("CPU", seconds(policy["cpu_seconds"]),
         f"{seconds(spent['retrains'])} retrains, {seconds(spent['probes'])} probes"),
        ("Data", counted(result["rows"], "row"),
         f"{counted(result['batches'], 'batch')}, {result['initial']} for the first model"),
    ]  # fmt: skip


def _scores(result: Result) -> Markup | str:
    drawn = _lines(result)
    title = f"{result['metric']} by batch of {', '.join(line.name for line in drawn)}"
    caption = f"{result['metric']} of each batch, served before it was learned from"
    return charts.lines(title, caption, drawn, _lanes(result["policy"]), result["initial"], "batch")


def _gains(result: Result) -> Markup | str:
    """The sum of the gains over never retraining so far; nothing without that baseline."""
    never = result["baselines"].get("never")
    if never is None:
        return ""
    sign = 1.0 if result["greater_is_better"] else -1.0
    drawn = [
        Line(line.name, _added_up(line.values, never["scores"], sign), line.style)
        for line in _lines(result)
        if line.style != "never"
    ]
    caption = "Rising: better than the first model at these batches; level: as good"
    return charts.lines("Added-up gain over never retraining", caption, drawn, {}, result["initial"], "batch")


def _lines(result: Result) -> list[Line]:
    """What is drawn, the policy last: on top."""
    baselines = dict(result["baselines"])
    drawn = []
    for name, label in (("never", "never retrained"), ("every", "retrained at every batch")):
        run = baselines.pop(name, None)
        if run is not None:
            window = f" (window {run['window']})" if "window" in run else ""
            drawn.append(Line(f"{label}{window}", run["scores"], name))
    others = [(name.replace("every", "each ") + " batches", run) for name, run in baselines.items()]
    others += result.get("variants", {}).items()
    for place, (name, run) in enumerate(others):
        drawn.append(Line(name, run["scores"], OTHER_STYLES[place % len(OTHER_STYLES)]))
    return [*drawn, Line("driftd", result["policy"]["scores"], "main")]


def _added_up(values: charts.Values, never: charts.Values, sign: float) -> list[float | None]:
    total, sums = 0.0, list[float | None]()
    for value, other in zip(values, never, strict=True):
        defined = value is not None and other is not None
        total += sign * (value - other) if value is not None and other is not None else 0.0
        sums.append(total if defined else None)
    return sums


def _lanes(policy: Result) -> dict[str, list[Mark]]:
    retrains = [
        Mark(cycle["batch"] + 0.5, word, f"after batch {cycle['batch']}: {why}")
        for cycle, (word, why) in ((cycle, words.cycle_outcome(cycle)) for cycle in policy["cycles"])
    ]
    changes = policy["deployments"]
    lanes = {
        "retrained": retrains,
        "adjusted": [_change(one) for one in changes if one["kind"] == "reweigh"],
        "rolled back": [_change(one) for one in changes if one["kind"] == "rollback"],
        "drift began": [Mark(at, "drift", f"batch {at}: drift began") for at in policy["drifts"]],
        "held": [Mark(one["batch"], "held", f"batch {one['batch']}: {one['reason']}") for one in policy["held"]],
    }
    return {name: marks for name, marks in lanes.items() if marks or name == "retrained"}


def _change(deployment: Result) -> Mark:
    members = ", ".join(f"{name} {percent(weight)}" for name, weight in deployment["members"].items())
    moved = ", recalibrated" if deployment["recalibrated"] else ""
    why = f"after batch {deployment['batch']}: {members}{moved}"
    return Mark(deployment["batch"] + 0.5, deployment["kind"], why)


def _policies(result: Result) -> Markup:
    """The line of each run, with its scores drawn small; windows of a baseline have none."""
    runs = {"driftd": result["policy"], **result["baselines"]}
    runs |= {f"  {name}": run for name, run in result.get("variants", {}).items()}
    values = [value for run in runs.values() for value in run["scores"] if value is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    rows = []
    for name, *cells in words.policy_lines(result):
        scores: Sequence[float | None] = runs[name]["scores"] if name in runs else ()
        drawn = charts.sparkline(f"scores of {name.strip()}", scores, low, high) if any(scores) else ""
        rows.append([name, *cells, drawn])
    first, _, *others = words.POLICY_HEADS
    heads = [(first, ""), (result["metric"], "num"), *((head, "num") for head in others)]
    return table([*heads, ("by batch", "wide")], rows)


def _cycles(policy: Result) -> Markup:
    """Each cycle with its reason; then what happened without training."""
    rows = [
        [cycle["batch"], cycle["trigger"], cycle["window"], word, score(cycle["champion"]), score(cycle["challenger"]),
         why]
        for cycle, (word, why) in ((cycle, words.cycle_outcome(cycle)) for cycle in policy["cycles"])
    ]  # fmt: skip
    opened = table(CYCLE_HEADS, rows) if rows else Markup("<p>No cycle was opened.</p>")
    return opened + filled('<p class="soft small">{{ words }}</p>', words=words.without_training(policy))


def _suggestion(suggestion: Result | None) -> Markup | str:
    if suggestion is None:
        return ""
    heads = [(head, "num" if place else "") for place, head in enumerate(words.TRIED_HEADS)]
    tried = table(heads, words.tried_lines(suggestion))
    return filled(SUGGESTION, reason=suggestion["reason"], toml=suggestion["toml"], tried=tried)
