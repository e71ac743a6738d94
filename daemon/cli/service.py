"""Commands about the service itself: install-service and reload."""

import os
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.session import FAILED, NO, SESSION, WRONG_USE, Exit, user
from daemon.config.config import ConfigErrors, load_config
from daemon.runtime.lock import is_held

RELOAD_WITHIN_S = 150.0
LOOK_S = 0.1
SYSTEM_CONFIG = Path("/etc/driftd/config.toml")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(install_service)
    app.command()(reload)


def install_service(
    show: Annotated[bool, typer.Option("--print", help="Print the files, place nothing.")] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Stop it and remove the files; state stays.")] = False,
    user: Annotated[str, typer.Option(help="Whom it runs as; driftd is made, another must exist.")] = "driftd",
    config: Annotated[
        Path | None,
        typer.Option(help=f"The configuration file; default: -c, else {SYSTEM_CONFIG}.", show_default=False),
    ] = None,
    prefix: Annotated[Path, typer.Option(help="Place the files below this folder, and run nothing.")] = Path("/"),
) -> None:
    """Write the systemd units of this environment and its configuration; again after an upgrade or a move."""
    from daemon.tools.units.place import next_steps, place, remove, site_of
    from daemon.tools.units.render import render

    path = config or (SESSION.config_path if SESSION.named else SYSTEM_CONFIG)
    try:
        site = site_of(load_config(path), user)
    except ConfigErrors as error:
        raise Exit(WRONG_USE, str(error)) from None
    if show:
        for name, text in render(site).items():
            print(f"# /{name}\n{text}")
        return
    try:
        for line in remove(site, prefix) if uninstall else place(site, prefix):
            print(line)
    except PermissionError as error:
        raise Exit(
            FAILED, f"driftd: {error.filename}: {error.strerror}; run it as root, or look with --print"
        ) from None
    if not uninstall:
        print("\n".join(next_steps(site)))


def reload() -> None:
    """Have the running service apply the changed configuration, and wait until it has.

    Status 1 or 2 with the reason where it is refused; then nothing has changed."""
    from daemon.ledger import commands

    try:
        config = load_config(SESSION.config_path)
    except ConfigErrors as error:
        _let_service_tell()
        raise Exit(WRONG_USE, f"{error}\ndriftd: refused; the running service goes on as it was") from None
    if not is_held(config.state_dir):
        raise Exit(NO, f"driftd: no service runs on {config.state_dir}")
    ledger = SESSION.ledger(config, read_only=False)
    try:
        with ledger.begin(durable=True) as conn:
            command = commands.enqueue(conn, "reload", {}, user(), time.time())
        until_s = time.monotonic() + RELOAD_WITHIN_S
        while time.monotonic() < until_s:
            with ledger.connect() as conn:
                row = commands.get(conn, command)
            if row.state == "done":
                print(row.message)
                return
            if row.state == "refused":
                raise Exit(NO, f"driftd: {row.message}")
            time.sleep(LOOK_S)
    finally:
        ledger.close()
    raise Exit(FAILED, f"driftd: the service did not answer within {RELOAD_WITHIN_S:g} s")


def _let_service_tell() -> None:
    """Called by systemd's ExecReload=, the service's own log is to have the reason as well."""
    told = os.environ.get("MAINPID", "")
    if told.isdigit():
        os.kill(int(told), signal.SIGHUP)
