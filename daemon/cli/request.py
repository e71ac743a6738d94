"""What commands ask of the service: written to the ledger, done at once or when it runs again."""

import getpass
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.cli.output import print_json
from daemon.cli.session import FAILED, NO, SESSION, Exit, known_model, only_model
from daemon.runtime.lock import is_held

if TYPE_CHECKING:
    from daemon.config.config import Config

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
    config = SESSION.config()
    model = model or _owner(config, file)
    chosen = only_model(config, model)
    request(name, {"model": chosen, "file": _relative(config, chosen, file)}, json)


def _owner(config: "Config", file: str) -> str | None:
    """The model in whose data folder the file lies, where that tells."""
    from daemon.config.config import model_data_dir

    path = Path(file).absolute()
    for name in config.models:
        if path.is_relative_to(model_data_dir(config, name)):
            return name
    return None


def _relative(config: "Config", model: str, file: str) -> str:
    from daemon.config.config import model_data_dir

    folder, path = model_data_dir(config, model), Path(file).absolute()
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file


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
        if waited_s >= BUSY_AFTER_S and not told:
            told = True
            print("waiting for the service, which is busy; Ctrl-C leaves it to be done later", file=sys.stderr)
        time.sleep(POLL_S)


def user() -> str:
    """Who asks."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
