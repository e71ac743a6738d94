"""`driftd forget FILE`."""

from daemon.cli.arguments import FileArgument, Json, ModelOption
from daemon.cli.request import request_about_file


def forget(file: FileArgument, model: ModelOption = None, json: Json = False) -> None:
    """Drop a file's rows for good: they leave every window, and the same content is not taken again."""
    request_about_file("forget", file, model, json)
