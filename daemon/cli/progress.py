"""How far a long command is: bars on a terminal, nothing in a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

Progress = Callable[[str, int, int], None]
"""Called with what is under way, how much of it is done, and all of it."""
BYTES = ("DownloadColumn", "TimeRemainingColumn")
ROWS = ("MofNCompleteColumn", "TimeElapsedColumn")
STEPS = ("MofNCompleteColumn", "TimeElapsedColumn")


@contextmanager
def progress_bars(columns: tuple[str, ...], one_bar: bool = True) -> Iterator[Progress]:
    """Bars with these of rich's columns on standard error, one for all that is under way or one for each."""
    from daemon.cli.terminal import SafeConsole

    terminal = SafeConsole(stderr=True)
    if not terminal.is_terminal:
        yield lambda _what, _done, _total: None
        return
    from rich import progress as rich

    shown = (rich.TextColumn("{task.description}", markup=False), rich.BarColumn())
    with rich.Progress(*shown, *(getattr(rich, name)() for name in columns), console=terminal, transient=True) as bars:
        reading = bars.add_task("reading", total=None)
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if not one_bar and what not in tasks:
                bars.update(reading, visible=False)
                tasks[what] = bars.add_task(what)
            bars.update(tasks.get(what, reading), description=what, completed=done, total=total)

        yield show
