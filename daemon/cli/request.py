"""What commands ask of the service: written to the ledger, done at once or when it runs again."""

import getpass
import sys
import time
from pathlib import Path
from typing import Any

from daemon.cli.output import print_json
from daemon.cli.session import FAILED, NO, SESSION, Exit, known_model, only_model
from daemon.runtime.lock import is_held

ANSWER_WITHIN_S = 60.0
BUSY_AFTER_S = 3.0
POLL_S = 0.1


def request(name: str, args: dict[str, Any], json: bool) -> None:
    """Write the command and wait for the answer of the service, if one runs."""
    from daemon.ledger import commands

    config = SESSION.config()
    with SESSION.ledger(config, read_only=False) as ledger:
        with ledger.begin(durable=True) as conn:
            command = commands.enqueue(conn, name, args, user(), time.time())
        row = _wait(ledger, command, config.state_dir)
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


def request_about_model(name: str, model: str, json: bool) -> None:
    """Ask for something about a model of the configuration."""
    request(name, {"model": known_model(SESSION.config(), model)}, json)


def request_about_file(name: str, file: str, model: str | None, json: bool) -> None:
    """Ask for something about a file: named as the ledger does or by its path, of the model whose folder it lies in."""
    from daemon.config.config import model_data_dir

    config = SESSION.config()
    path, folders = Path(file).absolute(), {model: model_data_dir(config, model) for model in config.models}
    owner = next((model for model, folder in folders.items() if path.is_relative_to(folder)), None)
    chosen = only_model(config, model or owner)
    inside = path.is_relative_to(folders[chosen])
    request(name, {"model": chosen, "file": str(path.relative_to(folders[chosen])) if inside else file}, json)


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
