"""How far a long command is: bars on a terminal, nothing in a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

Tell = Callable[[str, int, int], None]


@contextmanager
def _bars(*columns: str) -> "Iterator[Progress | None]":
    """Bars with these of rich's columns on standard error; None where that is no terminal."""
    from rich import progress
    from rich.console import Console

    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        yield None
        return
    shown = (progress.TextColumn("{task.description}", markup=False), progress.BarColumn())
    with progress.Progress(
        *shown, *(getattr(progress, name)() for name in columns), console=terminal, transient=True
    ) as bars:
        yield bars


@contextmanager
def byte_progress() -> Iterator[Tell]:
    """What is read or written now, and how many bytes of all."""
    with _bars("DownloadColumn", "TimeRemainingColumn") as bars:
        if bars is None:
            yield lambda _what, _done, _total: None
            return
        task = bars.add_task("reading", total=None)
        yield lambda what, done, total: bars.update(task, description=what, completed=done, total=total)


@contextmanager
def column_progress() -> Iterator[Tell | None]:
    """Which column is compared now; None where nobody watches."""
    with _bars("MofNCompleteColumn", "TimeElapsedColumn") as bars:
        if bars is None:
            yield None
            return
        task = bars.add_task("reading", total=None)
        yield lambda name, number, total: bars.update(
            task, description=f"comparing {name}", completed=number - 1, total=total
        )


@contextmanager
def run_progress() -> Iterator[Tell | None]:
    """A bar for each run of a replay; None where nobody watches."""
    with _bars("MofNCompleteColumn", "TimeElapsedColumn") as bars:
        if bars is None:
            yield None
            return
        reading = bars.add_task("reading", total=None)
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            bars.update(reading, visible=False)
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield tell
