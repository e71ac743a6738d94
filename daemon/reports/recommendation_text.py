"""A replay of interactions for people: what each run scored and cost, the cycles with their reasons, what to know."""

from typing import Any

from rich.console import Console

from daemon.reports.terminal import print_table, say
from drift.report import recommendation_words as words

CYCLE_HEADINGS = ("batch", "trigger", "outcome", "why")


def render(result: dict[str, Any], out: Console) -> None:
    """Print a result of the replay of interactions."""
    served = result["batches"] - result["initial"]
    say(out, words.data_line(result))
    say(out, f"NDCG@10 on full rankings, mean of {served} batches, each answered before it was learned")
    say(out, "")
    print_table(out, words.HEADS, list(words.run_lines(result)), left=1)
    say(out, "")
    for line in words.verdict(result):
        say(out, line)
    say(out, words.beside(result))
    say(out, "")
    print_table(out, words.PART_HEADS, words.part_lines(result), left=1)
    say(out, "")
    _cycles(result["policy"]["cycles"], out)
    for note in result["notes"]:
        say(out, f"note: {note}")


def _cycles(cycles: list[dict[str, Any]], out: Console) -> None:
    if not cycles:
        say(out, "No cycle was opened.")
        return
    lines = [[str(cycle["batch"]), cycle["trigger"], *words.cycle_words(cycle)] for cycle in cycles]
    print_table(out, CYCLE_HEADINGS, lines, left=4)
    say(out, "")
