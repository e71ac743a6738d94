"""`driftd history [MODEL]`: the cycles, or the log's events."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from daemon.cli.arguments import Json, Last
from daemon.cli.output import iso, print_json, print_table, when
from daemon.cli.session import SESSION, known_model


def history(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Only this model.", show_default=False)] = None,
    last: Last = 20,
    events: Annotated[bool, typer.Option("--events", help="The log's events instead of the cycles.")] = False,
    json: Json = False,
) -> None:
    """The cycles and what became of them, newest last; `driftd explain CYCLE` tells one."""
    from daemon.ledger import cycles
    from daemon.ledger import events as kept

    config = SESSION.config()
    if model is not None:
        known_model(config, model)
    with SESSION.ledger(config) as ledger, ledger.connect() as conn:
        rows = kept.listed(conn, model, last) if events else cycles.listed(conn, model, last)
    if events:
        _print_events(rows, json)
        return
    facts = [
        {
            "cycle": row.id, "model": row.model, "opened": iso(row.opened_at), "trigger": row.trigger["kind"],
            "why": row.trigger["reason"], "state": row.state, "version": row.version, "reason": row.reason,
        }
        for row in rows
    ]  # fmt: skip
    if json:
        print_json(facts)
    elif not facts:
        print("no cycles yet; `driftd status` says what each model waits for")
    else:
        shown = [
            [str(r.id), r.model, when(r.opened_at), r.trigger["kind"], r.state, r.version or "", r.reason] for r in rows
        ]
        print_table(("cycle", "model", "opened", "trigger", "outcome", "version", "reason"), shown)


def _print_events(rows: Sequence[Any], json: bool) -> None:
    if json:
        given = [{"event": row.event, "level": row.level, "timestamp": iso(row.at), "model": row.model} for row in rows]
        print_json([fields | row.fields for fields, row in zip(given, rows, strict=True)])
        return
    for row in rows:
        fields = "  ".join(f"{key}={value}" for key, value in row.fields.items())
        print(f"{when(row.at)}  {row.model or '':12} {row.event:18} {fields}")
