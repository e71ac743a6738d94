"""`driftd approve CYCLE`."""

from typing import TYPE_CHECKING

from daemon.cli.arguments import CycleArgument, Json
from daemon.cli.request import request
from daemon.cli.session import NO, SESSION, Exit

if TYPE_CHECKING:
    from daemon.config.config import Config


def approve(cycle: CycleArgument, json: Json = False) -> None:
    """Let a challenger through that waits for a person (mode "approve")."""
    config = SESSION.config()
    request("approve", {"model": _model_of_cycle(config, cycle), "cycle": cycle}, json)


def _model_of_cycle(config: "Config", cycle: int) -> str:
    from daemon.ledger import cycles

    ledger = SESSION.ledger(config)
    try:
        with ledger.connect() as conn:
            return cycles.get(conn, cycle).model
    except LookupError:
        raise Exit(NO, f"driftd: there is no cycle {cycle}; `driftd history` lists them") from None
    finally:
        ledger.close()
