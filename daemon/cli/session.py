"""What all commands share: the options before the command, the configuration, the ledger, exit statuses."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrain.records.errors import Refused, WrongUse

if TYPE_CHECKING:
    from daemon.config.config import Config
    from daemon.ledger import Ledger

NO, WRONG_USE, FAILED = 1, 2, 3
"""Exit statuses beside 0, fine: "yes, drift" or "no, refused"; wrong use or bad configuration; it failed."""


class Exit(Exception):
    """Ends the command with a status and, on standard error, a message: with the command's name before it, unless its
    lines begin with a file's name."""

    def __init__(self, status: int, message: str = "", names_file: bool = False) -> None:
        super().__init__(message if names_file or not message else f"driftd: {message}")
        self.status = status


@dataclass
class Session:
    """The options before the command; `named` says whether the configuration was named or is the default."""

    config_path: Path = Path("config.toml")
    named: bool = False

    def config(self) -> "Config":
        """The configuration; Exit 2 with all its mistakes."""
        from daemon.config.config import ConfigErrors, load_config

        try:
            return load_config(self.config_path)
        except ConfigErrors as error:
            raise Exit(WRONG_USE, str(error), names_file=True) from None

    @contextmanager
    def ledger(self, config: "Config", read_only: bool = True) -> Iterator["Ledger"]:
        """The ledger that the service keeps, open; Refused if it never ran, Exit 3 if its folder hangs."""
        from daemon.config.patience import Patience
        from daemon.runtime.ledgers import open_configured

        if not Patience().answers(config.state_dir):
            raise Exit(FAILED, f"{config.state_dir} does not answer, as on a dead mount; mount it again")
        with refusal_is_failure():
            ledger = open_configured(config, read_only=read_only)
        try:
            yield ledger
        finally:
            ledger.close()


SESSION = Session()


@contextmanager
def imports_at_once() -> Iterator[None]:
    """Imports without the garbage collector, which would look at all of what is imported again and again: a sixth of
    their time. It looks at none of that later, either."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def refusal_is_failure(file: Path | None = None) -> Iterator[None]:
    """What is refused ends the command with status 3, for it is no answer to a question; what names something that
    there is not, with 2. The message names the file that the command was given."""
    try:
        yield
    except Refused as error:
        status, text = (WRONG_USE, error.message) if isinstance(error, WrongUse) else (FAILED, str(error))
        named = file is None or str(file) in text
        raise Exit(status, text if named else f"{file}: {text}") from None


def known_model(config: "Config", name: str) -> str:
    """The name, if the configuration has it; Exit 2 otherwise."""
    if name not in config.models:
        from daemon.config.mistakes import meant

        raise Exit(WRONG_USE, f"no model {name!r} in {config.path}{meant(name, list(config.models))}")
    return name


def only_model(config: "Config", name: str | None) -> str:
    """The named model, or the only one there is."""
    if name is not None:
        return known_model(config, name)
    if len(config.models) == 1:
        return next(iter(config.models))
    raise Exit(WRONG_USE, f"which model? name one with --model: {', '.join(config.models)}")
