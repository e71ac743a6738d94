"""`driftd rollback MODEL`."""

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request
from daemon.cli.session import SESSION, known_model


def rollback(model: ModelArgument, json: Json = False) -> None:
    """Serve what was served before the champion."""
    request("rollback", {"model": known_model(SESSION.config(), model)}, json)
