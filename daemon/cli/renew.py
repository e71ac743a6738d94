"""`driftd renew MODEL`."""

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request_about_model


def renew(model: ModelArgument, json: Json = False) -> None:
    """Begin a new reference of a model that another system serves, of the newest files, as after it was changed there."""
    request_about_model("renew", model, json)
