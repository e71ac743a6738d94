"""`driftd init FILE --target COLUMN`: a first configuration; of an event log `driftd init FILE`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.arguments import Columns, DataFile, Ignore, known_task
from daemon.cli.session import SESSION, WRONG_USE, Exit, refusal_is_failure

RECOMMENDATION = "recommendation"


def init(
    file: DataFile,
    target: Annotated[
        str, typer.Option(metavar="COLUMN", help="The column to predict; none of an event log.", show_default=False)
    ] = "",
    task: Annotated[
        str, typer.Option(help="classification or regression (default: by the target's values), or recommendation.")
    ] = "",
    prediction: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="Another system serves the model: the column of what it predicted.",
            show_default=False,
        ),
    ] = "",
    name: Annotated[str, typer.Option(help="The model's name; default: the file's.")] = "",
    ignore: Ignore = None,
    columns: Columns = None,
    user: Annotated[str, typer.Option(help="Of an event log: the column of users, where its name does not say.")] = "",
    item: Annotated[str, typer.Option(help="The column of items.")] = "",
    time: Annotated[str, typer.Option(help="The column of times: dates, seconds or milliseconds.")] = "",
    event: Annotated[str, typer.Option(help="The column of event types.")] = "",
) -> None:
    """Look at a sample of a file and write a commented config.toml with the schema found in it.

    A log of events, of who had to do with which item and when, has no target: `driftd init clicks.csv` recognises it
    by its columns, and with --task recommendation asks for what it does not recognise.

    With --prediction another system serves the model, and driftd watches what that predicted."""
    path = SESSION.config_path
    given = {"user": user, "item": item, "time": time, "event": event}
    of_events = task == RECOMMENDATION or any(given.values())
    if not of_events:
        known_task(task)
    elif target or ignore or columns or task not in ("", RECOMMENDATION):
        raise Exit(WRONG_USE, "--user, --item, --time and --event are of an event log, which has no --target")
    if prediction and not target:
        raise Exit(WRONG_USE, "--prediction is beside --target: the column of what came true")
    if path.exists():
        raise Exit(WRONG_USE, f"{path} exists; name another with `driftd -c FILE init …`, or move it away")
    with refusal_is_failure(file):
        if target:
            from daemon.tools.init import write_config

            lines = write_config(file, target, task, name, path, ignore or (), columns or (), prediction)
        else:
            lines = _event_lines(file, given if of_events else None, name, path)
        for line in lines:
            print(line)


def _event_lines(file: Path, given: dict[str, str] | None, name: str, path: Path) -> Iterator[str]:
    from daemon.reading.open_file import require_file
    from daemon.tools.event_roles import Roles
    from daemon.tools.init_events import look_at_events, recognised, write_event_config

    if given is not None:
        return write_event_config(file, look_at_events(file, Roles(**given)), name, path)
    require_file(file)
    return write_event_config(file, recognised(file), name, path)
