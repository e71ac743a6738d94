"""`driftd run`, the service, and `driftd serve`, its server alone."""

import os
from typing import Annotated

import typer

from daemon.cli.session import SESSION, WRONG_USE, Exit

PACKAGES = ("daemon", "retrain", "drift")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)
    app.command()(serve)


def run(
    log_format: Annotated[str, typer.Option(help="auto, console, json or journal; overrides the configuration.")] = "",
) -> None:
    """Run the service until SIGINT or SIGTERM: control and server.

    It watches the data folders of all models, checks, retrains, serves predictions on [service] listen, and
    writes what it does and why to standard output. SIGHUP applies a changed configuration."""
    _check_packages()
    config = SESSION.config()
    style = _log_format(log_format or config.service.log_format)
    from daemon.service.application import main

    main(config, dict(os.environ), style)


def serve(
    listen: Annotated[str, typer.Option(help='"HOST:PORT"; overrides [service] listen.', show_default=False)] = "",
    workers: Annotated[
        int | None,
        typer.Option(help="Server processes; overrides [service] workers.", min=1, max=64, show_default=False),
    ] = None,
    log_format: Annotated[str, typer.Option(help="auto, console, json or journal; overrides the configuration.")] = "",
) -> None:
    """Serve predictions only, following what another driftd promotes.

    It reads the ledger and the versions in [service] state_dir, which a `driftd run` on this machine writes, and swaps
    within a second of a promotion. It takes no files in and trains nothing; labels of `feedback` go to the state
    folder, where the other driftd takes them in. SIGHUP applies a changed configuration."""
    _check_packages()
    config = SESSION.config()
    style = _log_format(log_format or config.service.log_format)
    from pydantic import ValidationError

    from daemon.service.serve_only import main, with_options

    try:
        config = with_options(config, listen or None, workers)
    except ValidationError:
        raise Exit(WRONG_USE, f'--listen is {listen!r}; expected "HOST:PORT", such as "127.0.0.1:8080"') from None
    main(config, dict(os.environ), style)


def _log_format(style: str) -> str:
    """A format that the log knows; Exit 2 otherwise."""
    from daemon.runtime.log import FORMATS

    if style not in FORMATS:
        raise Exit(WRONG_USE, f"--log-format is {style!r}; expected {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    return style


def _check_packages() -> None:
    """The three packages must be ours: the names are short, and another distribution may install one."""
    import importlib.util
    from pathlib import Path

    home = Path(__file__).resolve().parent.parent.parent
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is None or home not in origin.parents:
            hint = "install driftd into a virtual environment of its own"
            raise Exit(WRONG_USE, f"the package {name!r} is {origin}, not driftd's own in {home}; {hint}")
