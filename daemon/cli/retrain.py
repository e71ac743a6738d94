"""`driftd retrain MODEL`."""

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request_about_model


def retrain(model: ModelArgument, json: Json = False) -> None:
    """Open a retraining cycle by hand, as soon as none is under way."""
    request_about_model("retrain", model, json)
