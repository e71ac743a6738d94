"""What all commands share: the options before the command, the configuration, the ledger, exit statuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrain.records.errors import Refused

if TYPE_CHECKING:
    from daemon.config.config import Config
    from daemon.ledger import Ledger

NO, WRONG_USE, FAILED = 1, 2, 3
"""Exit statuses beside 0, fine: "yes, drift" or "no, refused"; wrong use or bad configuration; it failed."""


class Exit(Exception):
    """Ends the command with a status and, on standard error, a message."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
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
            raise Exit(WRONG_USE, str(error)) from None

    @contextmanager
    def ledger(self, config: "Config", read_only: bool = True) -> Iterator["Ledger"]:
        """The ledger that the service keeps, open; Refused if it never ran."""
        from daemon.ledger import open_ledger

        ledger = open_ledger(config.state_dir, create=False, read_only=read_only)
        try:
            yield ledger
        finally:
            ledger.close()


SESSION = Session()


@contextmanager
def refusal_is_failure() -> Iterator[None]:
    """What is refused ends the command with status 3: it is no answer to a question."""
    try:
        yield
    except Refused as error:
        raise Exit(FAILED, f"driftd: {error}") from None


def known_model(config: "Config", name: str) -> str:
    """The name, if the configuration has it; Exit 2 otherwise."""
    if name not in config.models:
        raise Exit(WRONG_USE, f"no model {name!r} in {config.path}; it has {', '.join(config.models)}")
    return name


def only_model(config: "Config", name: str | None) -> str:
    """The named model, or the only one there is."""
    if name is not None:
        return known_model(config, name)
    if len(config.models) == 1:
        return next(iter(config.models))
    raise Exit(WRONG_USE, f"name a model with --model: {', '.join(config.models)}")
