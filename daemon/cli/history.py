"""`driftd history [MODEL]`: the timeline, or the log's events."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from daemon.cli.arguments import Json, Last
from daemon.cli.output import print_json, print_table, when
from daemon.cli.session import SESSION, known_model


def history(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Only this model.", show_default=False)] = None,
    last: Last = 20,
    events: Annotated[bool, typer.Option("--events", help="The log's events instead of the timeline.")] = False,
    json: Json = False,
) -> None:
    """The timeline, newest last: cycles, roll-backs, adjustments, held files, and what people asked for.

    `driftd explain CYCLE` tells one cycle."""
    from daemon.ledger import events as kept
    from daemon.reports.timeline import folded, heading, sentence, timeline, with_iso_times

    config = SESSION.config()
    if model is not None:
        known_model(config, model)
    with SESSION.ledger(config) as ledger, ledger.connect() as conn:
        if events:
            _print_events(kept.listed(conn, model, last), json)
            return
        entries = timeline(conn, model, last)
    if json:
        print_json([with_iso_times(entry) for entry in entries])
    elif not entries:
        print("nothing has happened yet; `driftd status` says what each model waits for")
    else:
        shown = [
            (when(entry["at"]), entry["model"] or "", heading(entry), sentence(entry, before))
            for entry, before in folded(entries)
        ]
        print_table(("when", "model", "what", "what became of it"), shown)


def _print_events(rows: Sequence[Any], json: bool) -> None:
    from daemon.reports.timeline import event_json
    from daemon.tools.logs import sentence

    entries = [event_json(row) for row in rows]
    if json:
        print_json(entries)
        return
    for entry in entries:
        print(sentence(entry))
