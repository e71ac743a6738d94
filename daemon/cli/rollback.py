"""`driftd rollback MODEL`."""

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request_about_model


def rollback(model: ModelArgument, json: Json = False) -> None:
    """Serve what was served before the champion."""
    request_about_model("rollback", model, json)
