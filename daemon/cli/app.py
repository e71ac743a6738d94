"""All commands, and what an error becomes."""

import os
import sqlite3
import sys
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli import ask, look, offline, replay, save, serve, service
from daemon.cli.session import FAILED, NO, SESSION, Exit
from retrain.records.errors import DriftdError, Refused

HELP = """driftd keeps models good: it checks new data for drift, retrains when that pays, and serves the better model.

Start with `driftd init FILE --target COLUMN`, then `driftd run`, and drop files into the model's data folder.

Exit status: 0 fine, 1 "yes, drift" or "no, refused", 2 wrong use or bad configuration, 3 it failed.
"""

app = typer.Typer(
    help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)


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


for module in (offline, replay, serve, look, ask, save, service):
    module.register(app)


def run(arguments: list[str]) -> int:
    """Run the command line; the exit status."""
    _open_streams()
    try:
        typer.main.get_command(app)(arguments, prog_name="driftd")
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exit as end:
        return _told(str(end), end.status)
    except Refused as error:
        return _told(f"driftd: {error}", NO)
    except DriftdError as error:
        return _told(f"driftd: {error}", FAILED)
    except KeyboardInterrupt:
        return _told("driftd: interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    except OSError as error:
        return _told(f"driftd: {error}", FAILED)
    except Exception as error:
        cause = getattr(error, "orig", error)  # SQLAlchemy's, which is not imported for a look at it
        if not isinstance(cause, sqlite3.Error):
            raise
        return _told(f"driftd: the ledger cannot be read or written now: {cause}; `driftd doctor` looks closer", FAILED)


def _open_streams() -> None:
    """Have the null device in place of a standard stream that was closed: else the first file that is opened takes its
    number, and children write into it."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: the closed stream's
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", encoding="utf-8"))


def _told(message: str, status: int) -> int:
    if message:
        print(message, file=sys.stderr)
    return status
