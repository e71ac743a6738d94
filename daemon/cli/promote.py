"""`driftd promote MODEL VERSION`."""

from typing import Annotated

import typer

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request
from daemon.cli.session import SESSION, known_model


def promote(
    model: ModelArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="v0003 or its whole name.", show_default=False)],
    json: Json = False,
) -> None:
    """Make a stored version the champion, after it was loaded and answered its probe rows."""
    request("promote", {"model": known_model(SESSION.config(), model), "version": version}, json)
