"""`driftd notify [test] [NAME]`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.arguments import Json
from daemon.cli.output import print_json, when
from daemon.cli.request import request
from daemon.cli.session import NO, SESSION, WRONG_USE, Exit

if TYPE_CHECKING:
    from daemon.config.config import Config
    from daemon.config.notify import NotifySettings
    from daemon.runtime.notify.attempt import Attempt


def notify(
    action: Annotated[
        str | None, typer.Argument(metavar="[test]", help="Left out, it tells where things stand.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Only this destination.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Tell how many messages wait for each [[notify]] and how many arrived; or, with `test`, send one to each.

    The test is sent by the service where one runs, for it may reach other places than you; status 1 where one does not
    arrive.

    Examples:

      driftd notify

      driftd notify test ops"""
    config = SESSION.config()
    if action not in (None, "test"):
        raise Exit(WRONG_USE, f"notify {action!r}; expected `driftd notify` or `driftd notify test [NAME]`")
    if name is not None and name not in [one.name for one in config.notify]:
        from daemon.config.mistakes import meant

        raise Exit(WRONG_USE, f"no destination {name!r}{meant(name, [one.name for one in config.notify])}")
    if not config.notify:
        raise Exit(NO, f"nobody is to be notified: {config.path} has no section [[notify]]")
    if action == "test":
        _test(config, name, json)
    else:
        _tell(config, json)


def _test(config: "Config", name: str | None, json: bool) -> None:
    """By the running service, else from here."""
    from daemon.runtime.lock import is_held

    if is_held(config.state_dir):
        request("notify_test", {"destination": name}, json)
        return
    attempts = {one.name: _sent_from_here(config, one) for one in config.notify if name in (None, one.name)}
    answer = "; ".join(f"{one}: {attempt.told()}" for one, attempt in attempts.items())
    failed = any(attempt.reason for attempt in attempts.values())
    if json:
        print_json({"command": None, "state": "refused" if failed else "done", "message": answer})
    elif not failed:
        print(f"{answer} (sent from here: no service runs)")
    if failed:
        raise Exit(NO, "" if json else answer)


def _sent_from_here(config: "Config", destination: "NotifySettings") -> "Attempt":
    """How a test went."""
    import os
    import time

    from daemon.runtime.notify.delivery import deliver
    from daemon.runtime.notify.messages import message_of_test
    from daemon.runtime.notify.routing import new_key, source

    now = time.time()
    return deliver(config, destination, os.environ, message_of_test(new_key(), source(), now, destination.name), now)


def _tell(config: "Config", json: bool) -> None:
    """How things stand with each destination."""
    from daemon.ledger import outbox

    with SESSION.ledger(config) as ledger, ledger.connect() as conn:
        found = {one.name: outbox.standing(conn, one.name) for one in config.notify}
    if json:
        print_json([{"name": name, **standing} for name, standing in found.items()])
        return
    for name, standing in found.items():
        print(f"{name}: {_sentence(standing)}")


def _sentence(standing: dict[str, Any]) -> str:
    waits, last = standing["waiting"], standing["delivered_at"]
    since = f" since {when(standing['waiting_since'])}" if waits else ""
    why = f" ({standing['reason']})" if standing["reason"] else ""
    arrived = f", the last at {when(last)}" if last is not None else ""
    given_up = f"; {standing['given_up']} given up" if standing["given_up"] else ""
    return f"{standing['delivered']} arrived{arrived}; {waits} waiting{since}{why}{given_up}"
