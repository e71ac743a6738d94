"""`driftd resume MODEL`."""

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request
from daemon.cli.session import SESSION, known_model


def resume(model: ModelArgument, json: Json = False) -> None:
    """Let a paused model go on."""
    request("resume", {"model": known_model(SESSION.config(), model)}, json)
