"""`driftd explain CYCLE`: why it was opened, and why it promoted or kept."""

from daemon.cli.arguments import CycleArgument, Json
from daemon.cli.output import print_json
from daemon.cli.session import NO, SESSION, Exit


def explain(
    cycle: CycleArgument,
    json: Json = False,
) -> None:
    """Why a cycle was opened, what was seen and compared, and why it promoted or kept."""
    from daemon.reports.explain import story, told

    config = SESSION.config()
    ledger = SESSION.ledger(config)
    try:
        with ledger.connect() as conn:
            facts = told(conn, cycle)
    except LookupError:
        raise Exit(NO, f"driftd: there is no cycle {cycle}; `driftd history` lists them") from None
    finally:
        ledger.close()
    if json:
        print_json(facts)
    else:
        print(story(facts))
