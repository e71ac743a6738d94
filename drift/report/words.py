"""Results in sentences and cells, for pages and for terminals."""

from collections.abc import Iterator, Mapping
from typing import Any

from drift.notation import counted, number, p_value, percent, score, seconds, signed

Result = Mapping[str, Any]

TOGETHER = {"domain_classifier": "domain classifier AUC", "mmd": "MMD²", "pca": "PCA error"}
POLICY_HEADS = ("", "mean", "against never", "retrains", "share", "CPU")
TRIED_HEADS = ("tried", "first half", "second half", "retrains", "CPU")
AT_ONCE = "labels at once"
RECENT = "last12"
"""The window that is cheap at every batch, with which the cost of deciding is compared."""
MOST_HELD = 6
"""Held batches that are named."""
HARDLY = 0.005
"""A smaller gain of retraining at every batch, in the metric's unit, cannot say what share of it was recovered."""


def ranked(result: Result) -> list[Result]:
    """Columns and outputs of a comparison: drifted ones first, by effect."""
    columns = [*result["columns"], *result.get("outputs", ())]
    return sorted(columns, key=lambda column: (not column["drift"], -(column["effect"] or 0.0)))


def drift_verdict(result: Result) -> str:
    """What a comparison comes to."""
    columns = ranked(result)
    drifted = sum(column["drift"] for column in columns)
    if result.get("untested"):
        return f"Not tested: {result['untested']}"
    return (
        f"Drift in {drifted} of {len(columns)} columns" if drifted else f"No drift in {counted(len(columns), 'column')}"
    )


def left_out(result: Result) -> list[str]:
    """Which columns were not compared, and why."""
    columns = result.get("left_out", ())
    lines = [f"left out: {column['name']}: {column['reason']}" for column in columns]
    if any(not column["reason"].startswith("--") for column in columns):
        declared = f", and `feature = true` in [models.{result['model']}.columns] always" if "model" in result else ""
        lines[-1] += f"; `--columns` compares such columns all the same{declared}"
    return lines


def together(found: Result) -> str:
    """The tests of all columns together."""
    if "reason" in found:
        return f"All columns together: {found['reason']}."
    tests = [(words, found[key]) for key, words in TOGETHER.items()]
    shown = [f"{words} {number(test['statistic'])} (p {p_value(test['p_value'])})" for words, test in tests]
    return f"All {counted(found['columns'], 'column')} together: {', '.join(shown)}."


def trust(result: Result) -> list[str]:
    """How often such a comparison alarms without drift, and what that does not cover."""
    calibration = result.get("calibration")
    if calibration is None:
        return []
    often = number(calibration["checks_per_false_alarm"])
    return [f"Without drift, one in {often} such checks alarms.", *calibration["warnings"]]


def replay_verdict(result: Result) -> Iterator[str]:
    """What a replay comes to."""
    policy, baselines = result["policy"], result["baselines"]
    gain = baselines.get("never", {}).get("policy_gain")
    retrains = counted(policy["retrains"], "retrain")
    if gain and gain["mean"] is not None and gain["low"] == gain["high"] == gain["mean"] == 0:
        yield f"{result['metric']} as good as never retraining at each batch, for {retrains}."
    elif gain and gain["mean"] is not None:
        word = "better" if gain["mean"] >= 0 else "worse"
        yield f"{result['metric']} {score(abs(gain['mean']))} {word} than never retraining, for {retrains}."
        if gain["low"] is not None:
            chance = "" if gain["low"] > 0 or gain["high"] < 0 else ", which holds 0: chance alone may give this"
            yield f"90% interval of the difference: {signed(gain['low'])} to {signed(gain['high'])}{chance}."
    if result["recovered"] is not None:
        every, never = baselines["every"]["mean"], baselines["never"]["mean"]
        if abs(every - never) < HARDLY:
            yield "Retraining at every batch hardly gains here, so what share of it was recovered says little."
        spent = baselines["every"]["cpu_seconds"]
        cost = f", for {percent(policy['cpu_seconds'] / spent)} of its CPU time" if spent else ""
        yield f"Recovered {percent(result['recovered'])} of what retraining at every batch gains{cost}."
        recent = baselines["every"].get("cpu_seconds_by_window", {}).get(RECENT)
        if recent:
            share = percent(policy["cpu_seconds"] / recent)
            yield f"Retrains and probes took {share} of the CPU time of retraining at every batch on the last 12."


def settled_lines(policy: Result) -> Iterator[str]:
    """How far labels were in when the last decision was made, and what they waited for; nothing where all were."""
    labels = policy["labels"]
    rows = labels["rows"]
    if labels["settled"] < rows:
        share, settled = percent(labels["labelled"] / rows), percent(labels["settled"] / rows)
        yield f"At the last decision {share} of {rows:,} rows had a label, {settled} one that may be believed."
    if labels["wait"]:
        yield f"{labels['wait'][:1].upper()}{labels['wait'][1:]}."


def policy_lines(result: Result) -> Iterator[list[str]]:
    """A line of cells below POLICY_HEADS for the policy, each variant, baseline and window of one."""
    never = result["baselines"].get("never", {}).get("mean")
    sign = 1.0 if result["greater_is_better"] else -1.0

    def line(name: str, run: Result) -> list[str]:
        mean, part = run["mean"], run.get("retrain_share")
        gained = signed(None if mean is None or never is None else sign * (mean - never))
        retrains = f"{run['retrains']:,}" if "retrains" in run else ""
        spent = run.get("cpu_seconds")
        cells = ["" if part is None else percent(part), "" if spent is None else seconds(spent)]
        return [name, score(mean), gained, retrains, *cells]

    yield line("driftd", result["policy"])
    for name, run in result.get("variants", {}).items():
        yield line(f"  {name}", run)
    for name, run in result["baselines"].items():
        yield line(name, run)
        for window, mean in run.get("windows", {}).items():
            yield line(f"  {window}", {"mean": mean, "cpu_seconds": run["cpu_seconds_by_window"][window]})


def tried_lines(suggestion: Result) -> list[list[str]]:
    """A line of cells below TRIED_HEADS for each setting that was tried."""
    return [
        [one["name"], score(one["mean_first_half"]), score(one["mean_second_half"]), f"{one['retrains']:,}",
         seconds(one["cpu_seconds"])]
        for one in suggestion["tried"]
    ]  # fmt: skip


def cycle_outcome(cycle: Result) -> tuple[str, str]:
    """What became of a cycle in a word, and why it was opened and ended so."""
    return "promoted" if cycle["promoted"] else "kept", f"{cycle['reason']} → {cycle['outcome']}"


def held_lines(policy: Result) -> Iterator[str]:
    """Which batches looked poisoned, and taught nobody.

    >>> list(held_lines({"held": [{"batch": 12, "reason": "x is 1,000 times what it was"}]}))
    ['Batch 12 was held and taught nobody: x is 1,000 times what it was.']
    """
    for one in policy["held"][:MOST_HELD]:
        yield f"Batch {one['batch']} was held and taught nobody: {one['reason']}."
    if (more := len(policy["held"]) - MOST_HELD) > 0:
        yield f"So were {more:,} more."


def without_training(policy: Result) -> str:
    """What the policy did besides retrains, and where its CPU time went."""
    adjusted = sum(one["kind"] == "reweigh" for one in policy["deployments"])
    spent = {purpose: seconds(value) for purpose, value in policy["cpu_seconds_by_purpose"].items()}
    kept = sum(not cycle["promoted"] for cycle in policy["cycles"])
    lost = f" ({seconds(policy['cpu_seconds_lost'])} on {kept:,} not promoted)" if kept else ""
    return (
        f"Without training: {counted(adjusted, 'adjustment')}, {counted(policy['rollbacks'], 'roll-back')}; "
        f"{counted(len(policy['drifts']), 'drift')} detected. CPU: {spent['retrains']} retrains{lost}, "
        f"{spent['probes']} probes; apart from these {spent['checks']} checks, {spent['serving']} serving."
    )
