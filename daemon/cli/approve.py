"""`driftd approve CYCLE`."""

from daemon.cli.arguments import CycleArgument, Json, no_such_cycle
from daemon.cli.request import request
from daemon.cli.session import SESSION


def approve(cycle: CycleArgument, json: Json = False) -> None:
    """Let a challenger through that waits for a person (mode "approve")."""
    from daemon.ledger import cycles

    config = SESSION.config()
    with no_such_cycle(cycle), SESSION.ledger(config) as ledger, ledger.connect() as conn:
        model = cycles.get(conn, cycle).model
    request("approve", {"model": model, "cycle": cycle}, json)
