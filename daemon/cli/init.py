"""`driftd init FILE --target COLUMN`: a first configuration."""

from typing import Annotated

import typer

from daemon.cli.arguments import Columns, DataFile, Ignore, Task, known_task
from daemon.cli.session import SESSION, WRONG_USE, Exit, refusal_is_failure


def init(
    file: DataFile,
    target: Annotated[str, typer.Option(metavar="COLUMN", help="The column to predict.", show_default=False)],
    task: Task = "",
    name: Annotated[str, typer.Option(help="The model's name; default: the file's.")] = "",
    ignore: Ignore = None,
    columns: Columns = None,
) -> None:
    """Look at a sample of a file and write a commented config.toml with the schema found in it."""
    from daemon.tools.init import write_config

    known_task(task)
    path = SESSION.config_path
    if path.exists():
        raise Exit(WRONG_USE, f"{path} exists; name another with `driftd -c FILE init …`, or move it away")
    with refusal_is_failure(file):
        for line in write_config(file, target, task, name, path, ignore or (), columns or ()):
            print(line)
