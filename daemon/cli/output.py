"""How commands print: tables, JSON, moments."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.cli.session import FAILED, Exit
from daemon.runtime.printable import printable

if TYPE_CHECKING:
    from rich.console import Console


def console() -> "Console":
    """Where people read; as wide as needed in a pipe."""
    from daemon.cli.terminal import SafeConsole

    return SafeConsole(highlight=False, soft_wrap=not sys.stdout.isatty())


def print_json(value: Any) -> None:
    """The answer of --json."""
    print(json.dumps(value, indent=2, default=str))


def write_page(path: Path, text: str) -> None:
    """The page of --html."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Exit(FAILED, f"{path}: cannot be written: {error.strerror}") from None


def tell_result(
    result: Any,
    render: Callable[[Any, "Console"], None],
    page: Callable[[Any], str],
    html: Path | None,
    as_json: bool,
) -> None:
    """A result as its page, where one is asked for, and as JSON or for people."""
    if html is not None:
        write_page(html, page(result))
    if as_json:
        print_json(result)
        return
    render(result, console())
    if html is not None:
        console().print(f"wrote {html}", markup=False)


def print_table(heads: tuple[str, ...], rows: Sequence[Sequence[str]]) -> None:
    """Columns side by side; the last one may be long."""
    from rich.table import Table
    from rich.text import Text

    out, rows = console(), [[printable(cell) for cell in row] for row in rows]
    if not out.is_terminal:
        widths = [max(len(head), *(len(row[i]) for row in rows)) for i, head in enumerate(heads)]
        for row in (heads, *rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    table = Table(*heads, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))  # names are no markup
    out.print(table)


def when(seconds: float | None) -> str:
    """A moment as people read it, in local time."""
    if seconds is None:
        return "–"
    from datetime import datetime

    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")
