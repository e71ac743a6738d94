"""Lines and tables on a terminal; aligned plain text in a pipe."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text


def say(out: Console, text: str) -> None:
    """A line; names are the user's: neither markup nor wrapped."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def print_table(
    out: Console, headings: Sequence[str], lines: Sequence[Sequence[str]], left: int, bold: Sequence[int] = ()
) -> None:
    """Lines of cells below headings, the first `left` columns aligned to the left; on a terminal the lines at `bold`
    stand out."""
    if out.is_terminal:
        table = Table(box=None, header_style="bold")
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="left" if place < left else "right")
        for at, line in enumerate(lines):
            table.add_row(*map(Text, line), style="bold red" if at in bold else None)
        out.print(table)
        return
    widths = [max(len(line[place]) for line in [headings, *lines]) for place in range(len(headings))]
    for line in [headings, *lines]:
        cells = [cell.ljust(width) for cell, width in zip(line[:left], widths[:left], strict=True)]
        cells += [cell.rjust(width) for cell, width in zip(line[left:], widths[left:], strict=True)]
        say(out, "  ".join(cells).rstrip())
