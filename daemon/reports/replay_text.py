"""A replay for people: what each policy scored and cost, the cycles with their reasons, and what to know."""

from typing import Any

from rich.console import Console

from daemon.reports.terminal import print_table, say
from drift.notation import counted
from drift.report import words

CYCLE_HEADINGS = ("batch", "trigger", "window", "outcome", "why")


def render(result: dict[str, Any], out: Console) -> None:
    """Print a result of `replay`."""
    served = result["batches"] - result["initial"]
    late = f", {result['labels']}" if result["labels"] != words.AT_ONCE else ""
    rows = counted(result["rows"], "row")
    say(out, f"{rows} in {result['batches']} batches, {result['initial']} for the first model{late}")
    metric = f"{result['metric']} of {result['target']!r}"
    say(out, f"{metric}, mean of {served} batches, each served before it was learned")
    say(out, "")
    print_table(out, words.POLICY_HEADS, list(words.policy_lines(result)), left=1)
    say(out, "")
    for line in (*words.replay_verdict(result), *words.settled_lines(result["policy"])):
        say(out, line)
    _cycles(result["policy"], out)
    for line in words.held_lines(result["policy"]):
        say(out, line)
    if result.get("suggestion"):
        _suggestion(result["suggestion"], out)
    for note in result["notes"]:
        say(out, f"note: {note}")


def _cycles(policy: dict[str, Any], out: Console) -> None:
    if not policy["cycles"]:
        say(out, "No cycle was opened.")
        return
    say(out, "")
    lines = [[str(c["batch"]), c["trigger"], c["window"], *words.cycle_outcome(c)] for c in policy["cycles"]]
    print_table(out, CYCLE_HEADINGS, lines, left=5)
    say(out, "")
    say(out, words.without_training(policy))


def _suggestion(suggestion: dict[str, Any], out: Console) -> None:
    say(out, "")
    say(out, f"Suggestion: {suggestion['reason']}.")
    for line in (suggestion["toml"] or "").splitlines():
        say(out, f"    {line}")
    print_table(out, words.TRIED_HEADS, words.tried_lines(suggestion), left=1)
    say(out, "")
