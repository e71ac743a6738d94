"""`driftd approve CYCLE`, `driftd approve --class CLASS`."""

from typing import Annotated

import typer

from daemon.cli.arguments import Json, ModelOption, no_such_cycle
from daemon.cli.request import request
from daemon.cli.session import SESSION, WRONG_USE, Exit, only_model


def approve(
    cycle: Annotated[
        int | None,
        typer.Argument(metavar="CYCLE", help="The cycle's number; `driftd history` lists them.", show_default=False),
    ] = None,
    new_class: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="CLASS",
            help="A new class of the target, as `driftd status` tells it; may be repeated.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    json: Json = False,
) -> None:
    """Let through what waits for a person: a challenger (mode "approve"), or new classes of the target.

    Rows of a new class teach nobody until it is approved and has triggers.first_class_rows rows; then a cycle opens.

    Examples:

      driftd approve 7

      driftd approve --class refunded --model orders"""
    from daemon.ledger import cycles

    if (cycle is None) == (not new_class):
        raise Exit(WRONG_USE, "name either a CYCLE or a new class with --class CLASS")
    config = SESSION.config()
    if cycle is None:
        request("approve_class", {"model": only_model(config, model), "classes": new_class}, json)
        return
    with no_such_cycle(cycle), SESSION.ledger(config) as ledger, ledger.connect() as conn:
        owner = cycles.get(conn, cycle).model
    request("approve", {"model": owner, "cycle": cycle}, json)
