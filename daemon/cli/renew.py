"""`driftd renew MODEL`."""

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request_about_model


def renew(model: ModelArgument, json: Json = False) -> None:
    """Make a new reference of the newest files, of a model that another system serves, as after a change there."""
    request_about_model("renew", model, json)
