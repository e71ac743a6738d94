"""What all commands share: the configuration, the ledger, and how answers and errors are printed."""

import getpass
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.config.config import Config, ConfigErrors, load_config

if TYPE_CHECKING:
    from rich.console import Console

    from daemon.ledger import Ledger

FINE, NO, WRONG_USE, FAILED = 0, 1, 2, 3


class Exit(Exception):
    """Ends the command with a status and, on standard error, a message."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Session:
    """The options before the command; `named` says whether the configuration was named or is the default."""

    config_path: Path = Path("config.toml")
    named: bool = False

    def config(self) -> Config:
        """The configuration; Exit 2 with all its mistakes."""
        try:
            return load_config(self.config_path)
        except ConfigErrors as error:
            raise Exit(WRONG_USE, str(error)) from None

    def ledger(self, config: Config, read_only: bool = True) -> "Ledger":
        """The ledger that the service keeps; Refused if it never ran."""
        from daemon.ledger import open_ledger

        return open_ledger(config.state_dir, create=False, read_only=read_only)


SESSION = Session()


def known_model(config: Config, name: str) -> str:
    """The name, if the configuration has it; Exit 2 otherwise."""
    if name not in config.models:
        raise Exit(WRONG_USE, f"no model {name!r} in {config.path}; it has {', '.join(config.models)}")
    return name


def only_model(config: Config, name: str | None) -> str:
    """The named model, or the only one there is."""
    if name is not None:
        return known_model(config, name)
    if len(config.models) == 1:
        return next(iter(config.models))
    raise Exit(WRONG_USE, f"name a model with --model: {', '.join(config.models)}")


def console() -> "Console":
    """Where people read; as wide as needed in a pipe."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def print_json(value: Any) -> None:
    """The answer of --json."""
    print(json.dumps(value, indent=2, default=str))


def write_page(path: Path, text: str) -> None:
    """The page of --html."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Exit(FAILED, f"driftd: {path}: cannot be written: {error.strerror}") from None


def user() -> str:
    """Who asks."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def when(seconds: float | None) -> str:
    """A moment as people read it, in local time."""
    if seconds is None:
        return "–"
    from datetime import datetime

    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def iso(seconds: float | None) -> str | None:
    """A moment for machines: ISO 8601 in UTC."""
    if seconds is None:
        return None
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat()


@contextmanager
def column_progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """Tells on a terminal which column is being read; None where standard error is none."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def tell(name: str, number: int, total: int) -> None:
            bar.update(task, description=f"comparing {name}", completed=number - 1, total=total)

        yield tell
