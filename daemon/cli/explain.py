"""`driftd explain CYCLE`: why it was opened, and why it promoted or kept."""

from daemon.cli.arguments import CycleArgument, Json, no_such_cycle
from daemon.cli.output import print_json
from daemon.cli.session import SESSION


def explain(cycle: CycleArgument, json: Json = False) -> None:
    """Why a cycle was opened, what was seen and compared, and why it promoted or kept."""
    from daemon.reports.explain import describe, story

    config = SESSION.config()
    with no_such_cycle(cycle), SESSION.ledger(config) as ledger, ledger.connect() as conn:
        facts = describe(conn, cycle)
    if json:
        print_json(facts)
    else:
        print(story(facts))
