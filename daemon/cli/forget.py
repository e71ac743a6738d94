"""`driftd forget FILE`, and people by their ids."""

from typing import Annotated

import typer

from daemon.cli.arguments import Json, ModelOption
from daemon.cli.people import IdOption, IdsOption, named_people
from daemon.cli.request import request, request_about_file
from daemon.cli.session import SESSION, WRONG_USE, Exit, known_model


def forget(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE", show_default=False, help="The file: its path, or its name in `driftd files MODEL`."
        ),
    ] = None,
    model: ModelOption = None,
    id_: IdOption = None,
    ids: IdsOption = None,
    column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", show_default=False, help="The column that says who; default: id_column."),
    ] = None,
    json: Json = False,
) -> None:
    """Drop a file's rows for good: they leave every window, and the same content is not taken again. With --id or --ids
    forget people: their rows leave the whole state folder, and new ones are left out."""
    if ids is None and not id_:
        if file is None or column is not None:
            raise Exit(WRONG_USE, "name a file, or people with --id or --ids")
        request_about_file("forget", file, model, json)
        return
    if file is not None:
        raise Exit(WRONG_USE, "a file and people are forgotten by two commands")
    config = SESSION.config()
    if model is None and len(config.models) > 1:
        raise Exit(WRONG_USE, f"of which model? name it with --model ({', '.join(config.models)})")
    name = known_model(config, model) if model is not None else next(iter(config.models))
    request("forget_people", {"model": name, "column": column, "ids": named_people(id_, ids)}, json)
