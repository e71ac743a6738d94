"""A comparison for people: a table on a terminal, aligned plain text in a pipe."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

HEADINGS = ("column", "kind", "drift", "effect", "p adjusted", "missing before", "missing now")
LEFT = 3


def render(result: dict[str, Any], console: Console) -> None:
    """Print a report of `compare`: the verdict, a sentence on each drifted column, notes, all columns."""
    columns = sorted(result["columns"], key=lambda column: (not column["drift"], -(column["effect"] or 0.0)))
    lines = [_cells(column) for column in columns]
    _print(console, _verdict(result))
    for column in columns:
        if column["drift"]:
            _print(console, f"  {column['sentence']}")
    for note in result["notes"]:
        _print(console, f"  note: {note}")
    if console.is_terminal:
        console.print(_table(lines))
    else:
        for line in _aligned([HEADINGS, *lines]):
            _print(console, line)
    if result.get("multivariate"):
        _print(console, _together(result["multivariate"]))
    calibration = result["calibration"]
    _print(console, f"Without drift, one in {calibration['checks_per_false_alarm']:g} such checks alarms.")
    for warning in calibration["warnings"]:
        _print(console, f"  {warning}")


def _verdict(result: dict[str, Any]) -> str:
    drifted = [column["name"] for column in result["columns"] if column["drift"]]
    rows = f"{result['reference']['rows']:,} and {result['current']['rows']:,} rows"
    limits = f"false alarms at most {result['alpha']:g} a comparison, effects from {result['min_effect']:g}"
    if not drifted:
        return f"No drift in {len(result['columns'])} columns ({rows}; {limits})."
    return f"Drift in {len(drifted)} of {len(result['columns'])} columns ({rows}; {limits})."


def _together(found: dict[str, Any]) -> str:
    if "reason" in found:
        return f"All columns together: {found['reason']}."
    names = {"domain_classifier": "domain classifier AUC", "mmd": "MMD²", "pca": "PCA error"}
    told = [f"{names[key]} {_number(found[key]['statistic'])} (p {_number(found[key]['p_value'])})" for key in names]
    return f"All {found['columns']} columns together: {', '.join(told)}."


def _cells(column: dict[str, Any]) -> tuple[str, ...]:
    missing = column["missing"]
    return (
        column["name"],
        column["kind"],
        "drift" if column["drift"] else "-" if column.get("reason") else "no",
        _number(column["effect"]),
        _number(column["p_adjusted"]),
        _share(missing["reference"]),
        _share(missing["current"]),
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.3g}%"


def _table(lines: list[tuple[str, ...]]) -> Table:
    table = Table(box=None, header_style="bold")
    for position, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if position < LEFT else "right")
    for line in lines:
        table.add_row(*map(Text, line), style="bold red" if line[2] == "drift" else None)
    return table


def _aligned(lines: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(line[position]) for line in lines) for position in range(len(HEADINGS))]
    return [
        "  ".join(
            cell.ljust(width) if position < LEFT else cell.rjust(width)
            for position, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _print(console: Console, text: str) -> None:
    """Names are the user's: neither markup nor wrapped."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
