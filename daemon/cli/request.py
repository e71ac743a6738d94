"""What commands ask of the service: written to the ledger, done at once or when it runs again."""

import getpass
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from daemon.cli.output import print_json
from daemon.cli.session import FAILED, NO, SESSION, WRONG_USE, Exit, known_model
from daemon.runtime.lock import is_held
from retrain.records.errors import Retry

if TYPE_CHECKING:
    from daemon.config.config import Config
    from daemon.config.real_paths import RealPaths

ANSWER_WITHIN_S = 60.0
BUSY_AFTER_S = 3.0
POLL_S = 0.1


def request(name: str, args: dict[str, Any], json: bool) -> None:
    """Write the command and wait for the answer of the service, if one runs."""
    from daemon.ledger import commands

    config = SESSION.config()
    try:
        with SESSION.ledger(config, read_only=False) as ledger:
            refuse_locked(ledger)
            with ledger.begin(durable=True) as conn:
                command = commands.enqueue(conn, name, args, user(), time.time())
            row = _wait(ledger, command, config.state_dir)
    except Retry:
        _keep(config, name, args, json)
    message = row.message or "kept in the ledger: the service does it when it runs again"
    late = row.state == "queued" and is_held(config.state_dir)
    if late:
        message = f"not done within {ANSWER_WITHIN_S:g} s; the service is busy and does it later: `driftd status` tells"
    if json:
        print_json({"command": command, "state": row.state, "message": message})
    elif row.state != "refused" and not late:
        print(message)
    if row.state == "refused" or late:
        raise Exit(FAILED if late else NO, "" if json else str(message))


def refuse_locked(ledger: Any) -> None:
    """Wait a moment for the ledger's lock; Retry where another process holds it for long."""
    until_s = time.monotonic() + BUSY_AFTER_S
    while not ledger.is_free():
        if time.monotonic() >= until_s:
            raise Retry(f"{ledger.place} is locked by another process", "try again when that is over")
        time.sleep(POLL_S)


def _keep(config: "Config", name: str, args: dict[str, Any], json: bool) -> NoReturn:
    """Keep a command that cannot be written to the ledger now; ends this one."""
    from daemon.runtime.kept_commands import keep_command

    keep_command(config.paths, name, args, user())
    message = "kept, for another process has locked the ledger: the service does it when that is over"
    if json:
        print_json({"command": None, "state": "kept", "message": message})
    raise Exit(FAILED, "" if json else message)


def request_about_model(name: str, model: str, json: bool) -> None:
    """Ask for something about a model of the configuration."""
    request(name, {"model": known_model(SESSION.config(), model)}, json)


def request_about_file(name: str, file: str, model: str | None, json: bool) -> None:
    """Ask for something about a file, named as the ledger does or by its path: of the named model, else of the one in
    whose folder it lies, or that knows it. Exit 2 where that is not plain."""
    from daemon.config.real_paths import RealPaths

    config, real = SESSION.config(), RealPaths()
    names = {one: _name_for(config, one, file, real) for one in config.models}
    chosen = known_model(config, model) if model is not None else _owner(config, file, names)
    request(name, {"model": chosen, "file": names[chosen] or file}, json)


def _name_for(config: "Config", model: str, file: str, real: "RealPaths") -> str | None:
    """How a model's ledger names a file that lies in its folder; None where it does not."""
    from daemon.config.config import model_data_dir

    if (uri := config.models[model].data_uri) is not None:
        return file.removeprefix(f"{uri}/") if file.startswith(f"{uri}/") else None
    path, folder = Path(os.path.normpath(Path(file).absolute())), model_data_dir(config, model)
    places = ((path, folder), (real.of(path), real.of(folder)))
    return next((str(at.relative_to(below)) for at, below in places if at.is_relative_to(below)), None)


def _owner(config: "Config", file: str, names: Mapping[str, str | None]) -> str:
    """The only model that a file can be of."""
    from daemon.ledger import files

    if len(config.models) == 1:
        return next(iter(config.models))
    inside = [model for model, name in names.items() if name is not None]
    if len(inside) == 1:
        return inside[0]
    with SESSION.ledger(config) as ledger, ledger.connect() as conn:
        asked = {model: names[model] or file for model in inside or config.models}
        knowing = [model for model, name in asked.items() if files.is_known(conn, model, name)]
    if len(knowing) == 1:
        return knowing[0]
    if knowing:
        raise Exit(WRONG_USE, f"{', '.join(knowing)} all have a file {file!r}; name one of them with --model")
    raise Exit(WRONG_USE, f"no model has a file {file!r}; `driftd files MODEL` lists them ({', '.join(config.models)})")


def _wait(ledger: Any, command: int, state_dir: Path) -> Any:
    """The command's row when it is done or refused, when no service runs, or after a minute."""
    from daemon.ledger import commands

    begun_s, is_shown = time.monotonic(), False
    while True:
        running = is_held(state_dir)  # asked first: a service that ends may still have answered
        with ledger.connect() as conn:
            row = commands.get(conn, command)
        waited_s = time.monotonic() - begun_s
        if row.state != "queued" or not running or waited_s >= ANSWER_WITHIN_S:
            return row
        if waited_s >= BUSY_AFTER_S and not is_shown:
            is_shown = True
            print("waiting for the service, which is busy; Ctrl-C leaves it to be done later", file=sys.stderr)
        time.sleep(POLL_S)


def user() -> str:
    """Who asks."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
