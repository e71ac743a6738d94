"""People on the command line: by ids, which need not stand in the list of processes or the shell's history."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.session import WRONG_USE, Exit

MOST_IDS, LONGEST = 10_000, 1_000
IdOption = Annotated[
    list[str] | None, typer.Option("--id", metavar="ID", show_default=False, help="Who; may be repeated.")
]
IdsOption = Annotated[
    Path | None,
    typer.Option("--ids", metavar="FILE", show_default=False, help="The same, one a line; - is standard input."),
]


def named_people(id_: Sequence[str] | None, ids: Path | None) -> list[str]:
    """The ids as they were given, each once; exit 2 where there is none, or too many."""
    given = [*(id_ or ()), *(() if ids is None else _lines(ids))]
    chosen = list(dict.fromkeys(text for text in given if text.strip()))
    if not chosen:
        raise Exit(WRONG_USE, "there is no id")
    if len(chosen) > MOST_IDS:
        way = f"split the file: `split -l {MOST_IDS} FILE part-`"
        raise Exit(WRONG_USE, f"{len(chosen):,} ids; at most {MOST_IDS:,} at once: {way}")
    if any(len(one) > LONGEST for one in chosen):
        raise Exit(WRONG_USE, f"an id has more than {LONGEST:,} characters")
    return chosen


def _lines(path: Path) -> list[str]:
    """The lines without their ends alone, for an id may hold any other character."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise Exit(WRONG_USE, f"--ids {path}: cannot be read: {error}") from None
    return text.split("\n")
