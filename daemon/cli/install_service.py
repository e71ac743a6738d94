"""`driftd install-service`: the systemd units of this environment."""

from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.session import FAILED, SESSION, WRONG_USE, Exit

SYSTEM_CONFIG = Path("/etc/driftd/config.toml")


def install_service(
    show: Annotated[bool, typer.Option("--print", help="Print the files, place nothing.")] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Stop it and remove the files; state stays.")] = False,
    user: Annotated[str, typer.Option(help="Whom it runs as; driftd is made, another must exist.")] = "driftd",
    config: Annotated[
        Path | None,
        typer.Option(
            help=f"The configuration file; default: -c, else config.toml here, or {SYSTEM_CONFIG}.", show_default=False
        ),
    ] = None,
    prefix: Annotated[Path, typer.Option(help="Place the files below this folder, and run nothing.")] = Path("/"),
) -> None:
    """Write the systemd units of this environment and its configuration; again after an upgrade or a move."""
    from daemon.config.config import ConfigErrors, load_config
    from daemon.tools.units.place import next_steps, place, remove, site_of, told
    from daemon.tools.units.render import render

    path = config or _found()
    try:
        site = site_of(load_config(path), user)
    except ConfigErrors as error:
        raise Exit(WRONG_USE, str(error), names_file=True) from None
    if show:
        for name, text in render(site).items():
            print(f"# /{name}\n{text}")
        return
    for line in told(site):
        print(line)
    try:
        for line in remove(site, prefix) if uninstall else place(site, prefix):
            print(line)
    except PermissionError as error:
        hint = "run it as root, or look with --print"
        raise Exit(FAILED, f"{error.filename}: {error.strerror}; {hint}") from None
    if not uninstall:
        print("\n".join(next_steps(site)))


def _found() -> Path:
    """The configuration that was named, else the one of this folder, as for all commands, or the machine's; Exit 2
    where that is not plain: a service must not change its configuration for where its units were renewed."""
    here = SESSION.config_path
    if SESSION.named or not SYSTEM_CONFIG.exists():
        return here
    if here.exists() and not here.samefile(SYSTEM_CONFIG):
        raise Exit(WRONG_USE, f"there is {here.absolute()} and {SYSTEM_CONFIG}; name one with -c FILE")
    return SYSTEM_CONFIG
