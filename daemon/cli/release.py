"""`driftd release FILE`."""

from daemon.cli.arguments import FileArgument, Json, ModelOption
from daemon.cli.request import request_about_file


def release(file: FileArgument, model: ModelOption = None, json: Json = False) -> None:
    """Let a held file's rows teach again."""
    request_about_file("release", file, model, json)
