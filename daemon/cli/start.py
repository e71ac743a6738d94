"""What `driftd run` and `driftd serve` check before they start."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.session import SESSION, WRONG_USE, Exit

if TYPE_CHECKING:
    from daemon.config.config import Config

PACKAGES = ("daemon", "retrain", "drift")
LogFormat = Annotated[str, typer.Option(help="auto, console, json or journal; overrides the configuration.")]


def ready_to_start(log_format: str) -> tuple["Config", str]:
    """The configuration and the log's format; Exit 2 where one is wrong, or a package is not driftd's."""
    _check_packages()
    config = SESSION.config()
    from daemon.runtime.log import FORMATS

    style = log_format or config.service.log_format
    if style not in FORMATS:
        raise Exit(WRONG_USE, f"--log-format is {style!r}; expected {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    return config, style


def _check_packages() -> None:
    """The three packages must be ours: the names are short, and another distribution may install one."""
    home = Path(__file__).resolve().parent.parent.parent
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is None or home not in origin.parents:
            hint = "install driftd into a virtual environment of its own"
            raise Exit(WRONG_USE, f"the package {name!r} is {origin}, not driftd's own in {home}; {hint}")
