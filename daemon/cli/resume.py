"""`driftd resume MODEL`."""

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request_about_model


def resume(model: ModelArgument, json: Json = False) -> None:
    """Let a paused model go on."""
    request_about_model("resume", model, json)
