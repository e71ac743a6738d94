"""All commands, and what an error becomes."""

import contextlib
import os
import re
import sqlite3
import sys
from collections import UserDict
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, TextIO, cast

import typer
from typer.core import TyperGroup

from daemon.cli.session import FAILED, NO, SESSION, WRONG_USE, Exit
from daemon.runtime.printable import PrintableStream
from retrain.records.errors import DriftdError, Refused, WrongUse

HELP = """driftd keeps models good: it checks new data for drift, retrains when that pays, and serves the better model.

Start with `driftd init FILE --target COLUMN`, then `driftd run`, and drop files into the model's data folder.

Exit status: 0 fine, 1 "yes, drift" or "no, refused", 2 wrong use or bad configuration, 3 it failed.
"""

COMMANDS = {
    "Look at data": ("demo", "init", "compare", "check", "predict", "replay"),
    "The service": (
        "run",
        "serve",
        "reload",
        "install-service",
        "doctor",
        "notify",
        "backup",
        "restore",
        "migrate-state",
    ),
    "What it did and why": ("status", "history", "versions", "files", "explain", "logs"),
    "Decide yourself": (
        "pull",
        "adopt",
        "retrain",
        "renew",
        "promote",
        "approve",
        "rollback",
        "pause",
        "resume",
        "hold",
        "release",
        "forget",
    ),
}
"""All commands, as the help groups them. Each is the function of its name in the module of its name, which is imported
when the command is run, or its help is shown."""


PLAIN = {
    "^Input should be ": "expected ",
    ", unable to parse .*": "",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
}
"""What typer says of wrong values, as patterns, and what we say."""


class Commands(UserDict[str, Any]):
    """Name → command of typer; a look at one imports its module."""

    def __getitem__(self, name: str) -> Any:
        if self.data[name] is None:
            self.data[name] = _command(name)
        return self.data[name]


class Group(TyperGroup):
    """Shows the commands in their groups, each with the whole first sentence of its help."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = commands()

    def invoke(self, ctx: Any) -> Any:
        """Called by typer; wrong values are told in words of ours."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = plain(error.message)
            raise

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """Called by typer for `driftd --help`."""
        for title, names in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, first_sentence(self.commands[name].help)) for name in names])


def commands() -> Commands:
    """All commands, none of them imported yet."""
    return Commands({name: None for names in COMMANDS.values() for name in names})


def plain(message: str) -> str:
    """What the library says of a wrong value, for people.

    >>> plain("Input should be a valid integer, unable to parse string as an integer")
    'expected a whole number'
    >>> plain("Input should be greater than or equal to 1")
    'expected at least 1'
    """
    for words, ours in PLAIN.items():
        message = re.sub(words, ours, message)
    return message


def first_sentence(text: str | None) -> str:
    """The first sentence of a command's help, on one line.

    >>> first_sentence("Judge a file,\\nas it is. Status 1\\nmeans drift.")
    'Judge a file, as it is.'
    """
    return re.split(r"(?<=[.?]) ", " ".join((text or "").split()))[0]


def _command(name: str) -> Any:
    module = name.replace("-", "_")
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name)(getattr(import_module(f"daemon.cli.{module}"), module))
    return typer.main.get_command(alone)


app = typer.Typer(
    cls=Group, help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False,
)  # fmt: skip


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"driftd {version('driftd')}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
]


@app.callback()
def options(
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="The configuration file.", show_default="config.toml")
    ] = None,
    version: VersionOption = False,  # noqa: ARG001 - its callback acts
) -> None:
    """The options that stand before a command."""
    SESSION.config_path, SESSION.named = config or Path("config.toml"), config is not None


def run(arguments: list[str]) -> int:
    """Run the command line; the exit status. What is printed has no control characters of files or arguments."""
    _open_streams()
    out, err = (cast(TextIO, PrintableStream(stream)) for stream in (sys.stdout, sys.stderr))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        return _run(arguments)


def _run(arguments: list[str]) -> int:
    try:
        typer.main.get_command(app)(arguments, prog_name="driftd")
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exit as end:
        return _failed(str(end), end.status)
    except WrongUse as error:
        return _failed(f"driftd: {error}", WRONG_USE)
    except Refused as error:
        return _failed(f"driftd: {error}", NO)
    except DriftdError as error:
        return _failed(f"driftd: {error}", FAILED)
    except KeyboardInterrupt:
        return _failed("driftd: interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    except OSError as error:
        return _failed(f"driftd: {error}", FAILED)
    except Exception as error:
        cause = getattr(error, "orig", error)  # SQLAlchemy's, which is not imported for a look at it
        if not isinstance(cause, sqlite3.Error) and not type(cause).__module__.startswith("psycopg"):
            raise
        why = str(cause).partition("\n")[0]
        return _failed(f"driftd: the ledger cannot be read or written now: {why}; `driftd doctor` looks closer", FAILED)


def _open_streams() -> None:
    """Have the null device in place of a standard stream that was closed: else the first file that is opened takes its
    number, and children write into it."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: the closed stream's
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", encoding="utf-8"))


def _failed(message: str, status: int) -> int:
    if message:
        print(message, file=sys.stderr)
    return status
