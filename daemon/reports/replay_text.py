"""A replay for people: what each policy scored and cost, the cycles with their reasons, and what to know."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

HEADINGS = ("", "mean", "against never", "retrains", "share", "CPU s")
CYCLE_HEADINGS = ("batch", "trigger", "window", "outcome", "why")


def render(result: dict[str, Any], out: Console) -> None:
    """Print a result of `replay`."""
    served = result["batches"] - result["initial"]
    late = f", labels {result['delay']} batches late" if result["delay"] else ""
    _say(out, f"{result['rows']:,} rows in {result['batches']} batches, {result['initial']} for the first model{late}")
    metric = f"{result['metric']} of {result['target']!r}"
    _say(out, f"{metric}, mean of {served} batches, each served before it was learned")
    _say(out, "")
    _table(out, HEADINGS, list(policy_lines(result)), left=1)
    _say(out, "")
    for line in verdict(result):
        _say(out, line)
    _cycles(result["policy"], out)
    if result.get("suggestion"):
        _suggestion(result["suggestion"], out)
    for note in result["notes"]:
        _say(out, f"note: {note}")


def verdict(result: dict[str, Any]) -> Iterator[str]:
    """What it comes to, in sentences."""
    policy, baselines = result["policy"], result["baselines"]
    gain = baselines.get("never", {}).get("policy_gain")
    if gain and gain["mean"] is not None:
        word = "better" if gain["mean"] >= 0 else "worse"
        sure = f" (90% interval {gain['low']:+.4f} to {gain['high']:+.4f})" if gain["low"] is not None else ""
        yield f"{abs(gain['mean']):.4f} {word} than never retraining{sure}, for {_retrains(policy['retrains'])}."
    if result["recovered"] is not None:
        every, never = baselines["every"]["mean"], baselines["never"]["mean"]
        if abs(every - never) < 0.005:
            yield "Retraining at every batch hardly gains here, so what share of it was recovered says little."
        spent = baselines["every"]["cpu_seconds"]
        cost = f", for {policy['cpu_seconds'] / spent:.0%} of its CPU time" if spent else ""
        yield f"Recovered {result['recovered']:.0%} of what retraining at every batch gains{cost}."


def policy_lines(result: dict[str, Any]) -> Iterator[list[str]]:
    """A line of cells for each policy and baseline: name, mean, gain over never, retrains, share, CPU seconds."""
    never = result["baselines"].get("never", {}).get("mean")
    sign = 1.0 if result["greater_is_better"] else -1.0

    def line(name: str, told: dict[str, Any]) -> list[str]:
        mean, share = told["mean"], told.get("retrain_share")
        gained = "-" if mean is None or never is None else f"{sign * (mean - never):+.4f}"
        retrains = str(told["retrains"]) if "retrains" in told else ""
        cpu = f"{told['cpu_seconds']:.1f}" if told.get("cpu_seconds") is not None else ""
        return [name, number(mean), gained, retrains, "" if share is None else f"{share:.0%}", cpu]

    yield line("driftd", result["policy"])
    for name, told in result.get("variants", {}).items():
        yield line(f"  {name}", told)
    for name, told in result["baselines"].items():
        yield line(name, told)
        for window, mean in told.get("windows", {}).items():
            yield line(f"  {window}", {"mean": mean, "cpu_seconds": told["cpu_seconds_by_window"][window]})


def _cycles(policy: dict[str, Any], out: Console) -> None:
    if not policy["cycles"]:
        _say(out, "No cycle was opened.")
        return
    _say(out, "")
    lines = [[str(c["batch"]), c["trigger"], c["window"], *told_outcome(c)] for c in policy["cycles"]]
    _table(out, CYCLE_HEADINGS, lines, left=5)
    weighed = sum(one["kind"] == "reweigh" for one in policy["deployments"])
    spent = policy["cpu_seconds_by_purpose"]
    _say(out, "")
    _say(
        out,
        f"Without training: {weighed} re-weightings, {policy['rollbacks']} roll-backs; {len(policy['drifts'])} drifts "
        f"seen. CPU: {spent['retrains']:.1f} s retrains, {spent['probes']:.1f} s probes; apart from these "
        f"{spent['checks']:.1f} s checks, {spent['serving']:.1f} s serving.",
    )


def told_outcome(cycle: dict[str, Any]) -> tuple[str, str]:
    """What became of a cycle in a word, and why it was opened and ended so."""
    return "promoted" if cycle["promoted"] else "kept", f"{cycle['reason']} → {cycle['outcome']}"


def _suggestion(found: dict[str, Any], out: Console) -> None:
    _say(out, "")
    _say(out, f"Suggestion: {found['reason']}.")
    if found["toml"]:
        for line in found["toml"].splitlines():
            _say(out, f"    {line}")
    heads = ("tried", "first half", "second half", "retrains", "CPU s")
    lines = [
        [one["name"], number(one["mean_first_half"]), number(one["mean_second_half"]), str(one["retrains"]),
         f"{one['cpu_seconds']:.1f}"]
        for one in found["tried"]
    ]  # fmt: skip
    _table(out, heads, lines, left=1)
    _say(out, "")


def _table(out: Console, headings: Sequence[str], lines: Sequence[Sequence[str]], left: int) -> None:
    """A table on a terminal, aligned plain text in a pipe."""
    if out.is_terminal:
        table = Table(box=None, header_style="bold")
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="left" if place < left else "right")
        for line in lines:
            table.add_row(*map(Text, line))
        out.print(table)
        return
    widths = [max(len(line[place]) for line in [headings, *lines]) for place in range(len(headings))]
    for line in [headings, *lines]:
        cells = [cell.ljust(width) for cell, width in zip(line[:left], widths[:left], strict=True)]
        cells += [cell.rjust(width) for cell, width in zip(line[left:], widths[left:], strict=True)]
        _say(out, "  ".join(cells).rstrip())


def number(value: float | None) -> str:
    """A score as people read it."""
    return "-" if value is None else f"{value:.4f}"


def _retrains(count: int) -> str:
    return "one retrain" if count == 1 else f"{count} retrains"


def _say(out: Console, text: str) -> None:
    """Names are the user's: neither markup nor wrapped."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)
