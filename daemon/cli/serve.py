"""`driftd serve`: its server alone."""

import os
from typing import Annotated

import typer

from daemon.cli.session import WRONG_USE, Exit
from daemon.cli.start import LogFormat, ready_to_start


def serve(
    listen: Annotated[str, typer.Option(help='"HOST:PORT"; overrides [service] listen.', show_default=False)] = "",
    workers: Annotated[
        int | None,
        typer.Option(help="Server processes; overrides [service] workers.", min=1, max=64, show_default=False),
    ] = None,
    models: Annotated[
        str,
        typer.Option(
            metavar="PATTERNS",
            help="Serve these models alone, such as 'churn,eu-*'; all without it.",
            show_default=False,
        ),
    ] = "",
    log_format: LogFormat = "",
) -> None:
    """Serve predictions only, following what another driftd promotes.

    It reads what is promoted, and the versions, in [service] state_dir, where a `driftd run` on this machine has them;
    on another host, with a ledger in a database and an object store, it fetches them. It swaps within a second of a
    promotion, takes no files in and trains nothing; what `feedback` is told goes to where the other driftd takes it in.
    SIGHUP applies a changed configuration."""
    config, style = ready_to_start(log_format)
    from pydantic import ValidationError

    from daemon.config.config import selected
    from daemon.service.serve_only import main, with_options

    try:
        config = with_options(config, listen or None, workers)
    except ValidationError:
        raise Exit(WRONG_USE, f'--listen is {listen!r}; expected "HOST:PORT", such as "127.0.0.1:8080"') from None
    main(selected(config, models) if models else config, dict(os.environ), style, models)
