"""`driftd explain [CYCLE]`: why a cycle was opened and promoted or kept, or what every model waits for now."""

from typing import Annotated

import typer

from daemon.cli.arguments import Json, no_such_cycle
from daemon.cli.output import print_json
from daemon.cli.session import SESSION


def explain(
    cycle: Annotated[
        int | None,
        typer.Argument(metavar="CYCLE", help="Its number in `driftd history`; without one: now.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Why a cycle was opened, what was seen and compared, and its outcome; without CYCLE what each model waits for."""
    from daemon.reports.explain import describe, story
    from daemon.reports.open_question import open_questions

    config = SESSION.config()
    with SESSION.ledger(config) as ledger:
        if cycle is None:
            questions = open_questions(config, ledger)
            if json:
                print_json(questions)
            else:
                print("\n".join(f"{one['model']}: {one['answer']}." for one in questions))
            return
        with no_such_cycle(cycle), ledger.connect() as conn:
            facts = describe(conn, cycle)
    if json:
        print_json(facts)
    else:
        print(story(facts))
