"""A comparison for people: a table on a terminal, aligned plain text in a pipe."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from daemon.reports.terminal import print_table, say
from drift.notation import counted, number, p_value, share
from drift.report.words import drift_verdict, left_out, ranked, together, trust

HEADINGS = ("column", "kind", "drift", "effect", "p adjusted", "missing before", "missing now")


def render(result: dict[str, Any], console: Console) -> None:
    """Print a report of `compare`: the verdict, a sentence on each drifted column, notes, all columns."""
    columns = ranked(result)
    rows = f"{result['reference']['rows']:,} and {counted(result['current']['rows'], 'row')}"
    limits = f"false alarms at most {number(result['alpha'])} a comparison, effects from {number(result['min_effect'])}"
    say(console, f"{drift_verdict(result)} ({rows}; {limits}).")
    for column in columns:
        if column["drift"]:
            say(console, f"  {column['sentence']}")
    for column in columns:
        if column["kind"] == "share":
            told = column["sentence"] or "not tested"
            say(console, f"  {column['name']}: {told}; {column['reason']}")
    for line in left_out(result):
        say(console, f"  {line}")
    for note in result["notes"]:
        say(console, f"  note: {note}")
    drifted = [place for place, column in enumerate(columns) if column["drift"]]
    print_table(console, HEADINGS, [_cells(column) for column in columns], left=3, bold=drifted)
    if result.get("multivariate"):
        say(console, together(result["multivariate"]))
    often, *warnings = trust(result)
    for line in (often, *(f"  {warning}" for warning in warnings)):
        say(console, line)


def _cells(column: Mapping[str, Any]) -> tuple[str, ...]:
    missing = column["missing"]
    return (
        column["name"],
        column["kind"],
        "drift" if column["drift"] else "-" if column.get("reason") else "no",
        number(column["effect"]),
        p_value(column["p_adjusted"]),
        share(missing["reference"]),
        share(missing["current"]),
    )
