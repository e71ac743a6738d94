"""Commands that change something: written to the ledger, done by the service at once or when it runs again."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli.session import FAILED, NO, SESSION, Exit, known_model, only_model, user
from daemon.config.config import Config, model_data_dir
from daemon.runtime.lock import is_held

ANSWER_WITHIN_S = 60.0
TOLD_AFTER_S = 3.0
LOOK_S = 0.1
Model = Annotated[str, typer.Argument(help="The model's name.", show_default=False)]
Cycle = Annotated[int, typer.Argument(help="The cycle's number; `driftd history` lists them.", show_default=False)]
FilePath = Annotated[str, typer.Argument(help="The file, as `driftd files M` lists it.", show_default=False)]
ModelOption = Annotated[str | None, typer.Option("--model", help="The model, if there are several.")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (retrain, promote, approve, rollback, pause, resume, hold, release, forget):
        app.command()(command)


def retrain(model: Model, json: Json = False) -> None:
    """Open a retraining cycle by hand, as soon as none is under way."""
    _ask("retrain", {"model": known_model(SESSION.config(), model)}, json)


def promote(
    model: Model, version: Annotated[str, typer.Argument(help="v0003 or its whole name.")], json: Json = False
) -> None:
    """Make a stored version the champion, after it was loaded and answered its probe rows."""
    _ask("promote", {"model": known_model(SESSION.config(), model), "version": version}, json)


def approve(cycle: Cycle, json: Json = False) -> None:
    """Let a challenger through that waits for a person (mode "approve")."""
    config = SESSION.config()
    _ask("approve", {"model": _model_of_cycle(config, cycle), "cycle": cycle}, json)


def rollback(model: Model, json: Json = False) -> None:
    """Serve what was served before the champion."""
    _ask("rollback", {"model": known_model(SESSION.config(), model)}, json)


def pause(model: Model, json: Json = False) -> None:
    """Open no more cycles until `driftd resume`; files are still taken in and checked."""
    _ask("pause", {"model": known_model(SESSION.config(), model)}, json)


def resume(model: Model, json: Json = False) -> None:
    """Let a paused model go on."""
    _ask("resume", {"model": known_model(SESSION.config(), model)}, json)


def hold(file: FilePath, model: ModelOption = None, json: Json = False) -> None:
    """Keep a suspicious file's rows out of training; `driftd release` lets them in again."""
    _about_file("hold", file, model, json)


def release(file: FilePath, model: ModelOption = None, json: Json = False) -> None:
    """Let a held file's rows teach again."""
    _about_file("release", file, model, json)


def forget(file: FilePath, model: ModelOption = None, json: Json = False) -> None:
    """Drop a file's rows for good: they leave every window, and the same content is not taken again."""
    _about_file("forget", file, model, json)


def _about_file(name: str, file: str, model: str | None, json: bool) -> None:
    config = SESSION.config()
    model = model or _owner(config, file)
    chosen = only_model(config, model)
    _ask(name, {"model": chosen, "file": _relative(config, chosen, file)}, json)


def _owner(config: Config, file: str) -> str | None:
    """The model in whose data folder the file lies, where that tells."""
    path = Path(file).absolute()
    for name in config.models:
        if path.is_relative_to(model_data_dir(config, name)):
            return name
    return None


def _relative(config: Config, model: str, file: str) -> str:
    folder, path = model_data_dir(config, model), Path(file).absolute()
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file


def _model_of_cycle(config: Config, cycle: int) -> str:
    from daemon.ledger import cycles

    ledger = SESSION.ledger(config)
    try:
        with ledger.connect() as conn:
            return cycles.get(conn, cycle).model
    except LookupError:
        raise Exit(NO, f"driftd: there is no cycle {cycle}; `driftd history` lists them") from None
    finally:
        ledger.close()


def _ask(name: str, args: dict[str, Any], json: bool) -> None:
    """Write the command and wait for the answer of the service, if one runs."""
    from daemon.cli.session import print_json
    from daemon.ledger import commands

    config = SESSION.config()
    ledger = SESSION.ledger(config, read_only=False)
    try:
        with ledger.begin(durable=True) as conn:
            command = commands.enqueue(conn, name, args, user(), time.time())
        row = _wait(ledger, command, config.state_dir)
    finally:
        ledger.close()
    message = row.message or "kept in the ledger: the service does it when it runs again"
    late = row.state == "queued" and is_held(config.state_dir)
    if late:
        message = f"not done within {ANSWER_WITHIN_S:g} s; the service is busy and does it later: `driftd status` tells"
    if json:
        print_json({"command": command, "state": row.state, "message": message})
    elif row.state != "refused" and not late:
        print(message)
    if row.state == "refused" or late:
        raise Exit(FAILED if late else NO, "" if json else f"driftd: {message}")


def _wait(ledger: Any, command: int, state_dir: Path) -> Any:
    """The command's row when it is done or refused, when no service runs, or after a minute."""
    from daemon.ledger import commands

    begun_s, told = time.monotonic(), False
    while True:
        running = is_held(state_dir)  # asked first: a service that ends may still have answered
        with ledger.connect() as conn:
            row = commands.get(conn, command)
        waited_s = time.monotonic() - begun_s
        if row.state != "queued" or not running or waited_s >= ANSWER_WITHIN_S:
            return row
        if waited_s >= TOLD_AFTER_S and not told:
            told = True
            print("waiting for the service, which is busy; Ctrl-C leaves it to be done later", file=sys.stderr)
        time.sleep(LOOK_S)
