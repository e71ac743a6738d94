"""`driftd hold FILE`."""

from daemon.cli.arguments import FileArgument, Json, ModelOption
from daemon.cli.request import request_about_file


def hold(file: FileArgument, model: ModelOption = None, json: Json = False) -> None:
    """Keep a suspicious file's rows out of training; `driftd release` lets them in again."""
    request_about_file("hold", file, model, json)
