"""`driftd pause MODEL`."""

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request_about_model


def pause(model: ModelArgument, json: Json = False) -> None:
    """Open no cycles, roll nothing back, adjust nothing until `driftd resume`; files are taken in and checked."""
    request_about_model("pause", model, json)
