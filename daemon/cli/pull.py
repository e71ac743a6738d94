"""`driftd pull MODEL`."""

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request_about_model
from daemon.cli.session import SESSION, WRONG_USE, Exit, known_model


def pull(model: ModelArgument, json: Json = False) -> None:
    """Pull the new rows of a model's database now, and say how many came.

    The service pulls by itself as often as [models.MODEL.source] says; status 1 where it cannot."""
    config = SESSION.config()
    if config.models[known_model(config, model)].source is None:
        raise Exit(WRONG_USE, f"{model} has no database: {config.path} has no section [models.{model}.source]")
    request_about_model("pull", model, json)
