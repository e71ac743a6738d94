"""`driftd reload`: has the running service apply a changed configuration."""

import os
import signal
import time

from daemon.cli.request import refuse_locked, user
from daemon.cli.session import FAILED, NO, SESSION, WRONG_USE, Exit
from daemon.runtime.lock import is_held

RELOAD_WITHIN_S = 150.0
POLL_S = 0.1


def reload() -> None:
    """Have the running service apply the changed configuration, and wait until it has.

    Status 1 or 2 with the reason where it is refused; then nothing has changed."""
    from daemon.config.config import ConfigErrors, load_config
    from daemon.ledger import commands

    try:
        config = load_config(SESSION.config_path)
    except ConfigErrors as error:
        _let_service_log()
        raise Exit(
            WRONG_USE, f"{error}\ndriftd: refused; the running service goes on as it was", names_file=True
        ) from None
    if not is_held(config.state_dir):
        raise Exit(NO, f"no service runs on {config.state_dir}")
    with SESSION.ledger(config, read_only=False) as ledger:
        refuse_locked(ledger)
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
                raise Exit(NO, str(row.message))
            time.sleep(POLL_S)
    raise Exit(FAILED, f"the service did not answer within {RELOAD_WITHIN_S:g} s")


def _let_service_log() -> None:
    """Called by systemd's ExecReload=, the service's own log is to have the reason as well."""
    pid = os.environ.get("MAINPID", "")
    if pid.isdigit():
        os.kill(int(pid), signal.SIGHUP)
