"""Arguments and options that several commands have, each with one help text."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.session import NO, WRONG_USE, Exit

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="The model's name.", show_default=False)]
ModelOption = Annotated[str | None, typer.Option("--model", help="The model, where it is not plain which.")]
CycleArgument = Annotated[
    int, typer.Argument(metavar="CYCLE", help="The cycle's number; `driftd history` lists them.", show_default=False)
]
FileArgument = Annotated[
    str,
    typer.Argument(metavar="FILE", help="The file: its path, or its name in `driftd files MODEL`.", show_default=False),
]
DataFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="A data file: CSV, JSON, Parquet or Excel.", show_default=False)
]
Last = Annotated[int, typer.Option("--last", "-n", help="How many, the newest.", min=1)]
Task = Annotated[str, typer.Option(help="classification or regression; default: by the target's values.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="COLUMN,…", help="Leave these columns out; may be repeated.", show_default=False),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--columns", metavar="COLUMN,…", show_default=False,
        help="Only these columns, ids and clocks among them too; may be repeated.",
    ),
]  # fmt: skip
MinEffect = Annotated[
    float | None,
    typer.Option(
        "--min-effect", min=0.0, max=1.0, show_default=False,
        help="The smallest effect that counts (KS distance or total variation); default: 0.05 or the configured one.",
    ),
]  # fmt: skip


def known_task(task: str) -> None:
    """Exit 2 where there is no such task; "" names none."""
    if task not in ("", "classification", "regression"):
        raise Exit(WRONG_USE, f"--task is {task!r}; expected classification or regression")


@contextmanager
def no_such_cycle(cycle: int) -> Iterator[None]:
    """Exit 1 where the ledger has no such cycle."""
    try:
        yield
    except LookupError:
        raise Exit(NO, f"there is no cycle {cycle}; `driftd history` lists them") from None
