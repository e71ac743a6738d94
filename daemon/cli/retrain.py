"""`driftd retrain MODEL`."""

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request
from daemon.cli.session import SESSION, known_model


def retrain(model: ModelArgument, json: Json = False) -> None:
    """Open a retraining cycle by hand, as soon as none is under way."""
    request("retrain", {"model": known_model(SESSION.config(), model)}, json)
