"""`driftd pull MODEL`."""

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.request import request_about_model
from daemon.cli.session import SESSION, WRONG_USE, Exit, known_model


def pull(model: ModelArgument, json: Json = False) -> None:
    """Pull the new rows of a model's database now, or list the prefix of an object store that its data are in, and say
    what is new.

    The service does both by itself, as [models.MODEL.source] and intake.poll say; status 1 where it cannot."""
    config = SESSION.config()
    settings = config.models[known_model(config, model)]
    if settings.source is None and settings.data_uri is None:
        raise Exit(
            WRONG_USE,
            f"{model} has no database: {config.path} has no section [models.{model}.source], and data_dir is a folder",
        )
    request_about_model("pull", model, json)
