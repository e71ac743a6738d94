"""Commands that tell where things stand: status, history, versions, files and explain."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from daemon.cli.session import NO, SESSION, Exit, console, iso, known_model, print_json, when
from daemon.reading.rejects import printable
from daemon.reports.performance import BLIND, estimate_sentence, rise_sentence
from daemon.runtime.lock import is_held

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Model = Annotated[str, typer.Argument(help="The model's name.", show_default=False)]
Last = Annotated[int, typer.Option("--last", "-n", help="How many, the newest.", min=1)]

TOLD_REJECTS = 100
NO_PERFORMANCE = {"labelled": None, "estimated": None}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (status, history, versions, files, explain):
        app.command()(command)


def status(json: Json = False) -> None:
    """Where things stand: each model's served version, files, drift, open cycle, and what it waits for."""
    from daemon.reports.status import address, overview
    from retrain.records.errors import Refused

    config = SESSION.config()
    try:
        ledger = SESSION.ledger(config)
    except Refused as error:
        raise Exit(NO, f"driftd: {error}") from None
    try:
        running = is_held(config.state_dir)
        told = overview(config, ledger) | {"running": running, "address": address(ledger) if running else ""}
    finally:
        ledger.close()
    if json:
        print_json(told)
        return
    print(f"driftd is {'running' if running else 'not running'}; {_where(told['address'], config.service.listen)}")
    for name, model in told["models"].items():
        _print_model(name, model)


def _where(address: str, configured: str) -> str:
    """Where it listens, where that is known; the configuration may have changed since."""
    if not address:
        return f"{configured} is configured"
    return address if address == configured else f"{address} ({configured} is configured)"


def _print_model(name: str, model: dict[str, Any]) -> None:
    champion, cycle, check = model["champion"], model["cycle"], model["last_check"]
    served = "no version yet" if champion is None else f"{champion['version']}, since {when(champion['at'])}"
    print(f"\n{name}  ({model['task']}, {model['mode']}{', paused' if model['paused'] else ''})")
    print(f"  serves     {served}")
    if model["unloadable"]:
        print(f"  TROUBLE    it cannot be loaded here: {model['unloadable']}; the service makes it anew")
    if model["schema_changes"]:
        print(f"  schema     the configuration changed since: {'; '.join(model['schema_changes'])}")
    if champion is not None and len(champion["members"]) > 1:
        print(f"  blends     {', '.join(f'{name} {weight:.0%}' for name, weight in champion['members'].items())}")
    if champion is not None and champion["value"] is not None:
        print(f"  evaluated  {champion['metric']} {champion['value']:.4f} on held-out rows")
    counts = ", ".join(f"{count} {state}" for state, count in sorted(model["files"].items())) or "none"
    held = f"; `driftd files {name} --held` says why" if model["files"].get("held") else ""
    print(f"  files      {counts}; {model['labelled_rows']:,} labelled rows{held}")
    kept = model["prediction_log"]
    if kept["rows"]:
        print(f"  answers    {kept['rows']:,} rows kept since {when(kept['since'])}")
    if check is not None:
        found = f"drift in {', '.join(check['drifted'][:5])}" if check["drift"] else "no drift"
        score = "" if check["value"] is None else f"; {check['metric']} {check['value']:.4f}"
        print(f"  last check {found}{score} ({when(check['at'])})")
        for sentence in (check["together"] or {"sentences": ()})["sentences"]:
            print(f"  together   {sentence}")
        rise = rise_sentence(check["stream"])
        if rise:
            print(f"  errors     {rise}")
        estimate = estimate_sentence(check["estimated"])
        if estimate:
            print(f"  estimated  {estimate}")
    if cycle is not None:
        print(f"  cycle      {cycle['id']}, {cycle['state']} at {cycle['stage']}: {cycle['trigger']}")
    elif model["waits_for"]:
        print(f"  next       {model['waits_for']}")
    trial = model["trial"]
    if trial is not None:
        from daemon.reports.trial import terms

        print(f"  trial      {trial['version']} {terms(trial)} until {when(trial['until'])}: {trial['told']}")


def history(
    model: Annotated[str | None, typer.Argument(help="Only this model.", show_default=False)] = None,
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
    ledger = SESSION.ledger(config)
    try:
        with ledger.connect() as conn:
            rows = kept.listed(conn, model, last) if events else cycles.listed(conn, model, last)
    finally:
        ledger.close()
    if events:
        _print_events(rows, json)
        return
    told = [
        {
            "cycle": row.id, "model": row.model, "opened": iso(row.opened_at), "trigger": row.trigger["kind"],
            "why": row.trigger["reason"], "state": row.state, "version": row.version, "reason": row.reason,
        }
        for row in rows
    ]  # fmt: skip
    if json:
        print_json(told)
    elif not told:
        print("no cycles yet; `driftd status` says what each model waits for")
    else:
        shown = [
            [str(r.id), r.model, when(r.opened_at), r.trigger["kind"], r.state, r.version or "", r.reason] for r in rows
        ]
        _table(("cycle", "model", "opened", "trigger", "outcome", "version", "reason"), shown)


def _print_events(rows: Sequence[Any], json: bool) -> None:
    told = [
        {"event": row.event, "level": row.level, "timestamp": iso(row.at), "model": row.model, **row.fields}
        for row in rows
    ]
    if json:
        print_json(told)
        return
    for row in rows:
        fields = "  ".join(f"{key}={value}" for key, value in row.fields.items())
        print(f"{when(row.at)}  {row.model or '':12} {row.event:18} {fields}")


def versions(model: Model, json: Json = False) -> None:
    """A model's versions, how they were evaluated, and which one is served."""
    from daemon.ledger import checks, promotions, trials
    from daemon.ledger import versions as stored
    from daemon.reports.trial import trial_json

    config = SESSION.config()
    known_model(config, model)
    ledger = SESSION.ledger(config)
    try:
        with ledger.connect() as conn:
            rows = stored.listed(conn, model)
            champion = promotions.champion(conn, model)
            tried, task = trials.by_version(conn, model), config.models[model].task
            told_trials = {name: trial_json(conn, model, task, trial) for name, trial in tried.items()}
            latest = checks.latest_performances(conn, model)
    finally:
        ledger.close()
    served = {m.version for m in champion.deployment.members} if champion is not None else set()
    pinned = config.models[model].retention.pinned
    told = [
        _version(row, served, pinned, str(config.paths.model(model).version(row.name)))
        | latest.get(row.name, NO_PERFORMANCE)
        | {"trial": told_trials.get(row.name)}
        for row in rows
    ]
    if json:
        print_json(told)
    elif not told:
        print(f"{model} has no version yet; `driftd status` says what it waits for")
    else:
        shown = [
            [("→ " if t["served"] else "  ") + t["version"], when(row.created_at), t["metric"] or "",
             "" if t["value"] is None else f"{t['value']:.4f}", _in_service(t), f"{row.train_rows:,}",
             str(row.cycle_id), _state(row, t["trial"])]
            for row, t in zip(rows, told, strict=True)
        ]  # fmt: skip
        _table(("  version", "made", "metric", "held-out", "in service", "rows", "cycle", "state"), shown)
        if any(_in_service(t).startswith("≈") for t in told):
            print(f"≈ estimated on rows without labels: {BLIND}")


def _state(row: Any, trial: dict[str, Any] | None) -> str:
    """Whether it is stored, and what its trial comes to where it did not simply pass."""
    if trial is None or trial["outcome"] == "promoted":
        return str(row.state)
    return f"{row.state}, {trial['outcome'] or 'on trial'}"


def _in_service(version: dict[str, Any]) -> str:
    """The newest value with labels, else the newest estimate, marked."""
    if version["labelled"] is not None:
        return f"{version['labelled']['value']:.4f}"
    return "" if version["estimated"] is None else f"≈ {version['estimated']['value']:.4f}"


def _version(row: Any, served: set[str], pinned: tuple[str, ...], path: str) -> dict[str, Any]:
    from retrain.store.versions import is_pinned

    challenger = (row.metrics or {}).get("challenger") or {}
    return {
        "version": row.name, "served": row.name in served, "created": iso(row.created_at), "state": row.state,
        "metric": (row.metrics or {}).get("metric"), "value": challenger.get("value"), "se": challenger.get("se"),
        "train_rows": row.train_rows, "cycle": row.cycle_id, "pinned": is_pinned(row.name, pinned), "path": path,
    }  # fmt: skip


def files(
    model: Model,
    held: Annotated[bool, typer.Option("--held", help="Only files kept out of training.")] = False,
    refused: Annotated[bool, typer.Option("--refused", help="Only files that were refused.")] = False,
    last: Last = 1000,
    json: Json = False,
) -> None:
    """A model's data files: what became of each, its rows, rejects and quality."""
    from daemon.ledger import files as known

    config = SESSION.config()
    known_model(config, model)
    state = "held" if held else "refused" if refused else None
    ledger = SESSION.ledger(config)
    try:
        with ledger.connect() as conn:
            rows = known.listed(conn, model, state, last)
            rejects = known.first_rejects(conn, [row.id for row in rows if row.rejected], TOLD_REJECTS) if json else {}
    finally:
        ledger.close()
    if json:
        print_json([_file(row, rejects.get(row.id, ())) for row in rows])
    elif not rows:
        print("none")
    else:
        shown = [
            [printable(r.path), when(r.at), r.state, f"{r.rows:,}", f"{r.labelled_rows:,}", str(r.rejected), _odd(r)]
            for r in rows
        ]
        _table(("file", "taken", "state", "rows", "labelled", "rejected", "told"), shown)
        if any(row.state == "held" for row in rows):
            print(
                "\nheld files are checked and teach nobody: `driftd release FILE` lets one teach, "
                "`driftd forget FILE` drops it for good"
            )


def _file(row: Any, rejects: Sequence[Any]) -> dict[str, Any]:
    told = (
        "path", "state", "kind", "source", "sha256", "size", "rows", "labelled_rows", "rejected", "reason", "quality",
    )  # fmt: skip
    return {key: getattr(row, key) for key in told} | {
        "path": printable(row.path),
        "taken": iso(row.at),
        "snapshot": row.snapshot,
        "quarantine": row.quarantine,
        "rejects": [{"line": r.line, "column": r.column, "reason": r.reason, "raw": r.raw} for r in rejects],
    }


def _odd(row: Any) -> str:
    """The reason, or what the quality report found, in a few words."""
    quality = row.quality or {}
    if row.reason or quality.get("hint"):
        return printable(row.reason or quality["hint"])
    told = [
        f"{quality[key]:,} {key.replace('_', ' ')}" for key in ("duplicate_rows", "future_times") if quality.get(key)
    ]
    for name, found in (quality.get("columns") or {}).items():
        words = [f"{found[k]:,} {k.replace('_', ' ')}" for k in ("unseen", "out_of_range", "infinite") if found.get(k)]
        told += [f"{printable(name)}: {', '.join(words)}"] if words else []
    return "; ".join(told[:4])


def explain(
    cycle: Annotated[int, typer.Argument(help="The cycle's number; `driftd history` lists them.", show_default=False)],
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


def _table(heads: tuple[str, ...], rows: Sequence[Sequence[str]]) -> None:
    """Columns side by side; the last one may be long."""
    from rich.table import Table

    out = console()
    if not out.is_terminal:
        widths = [max(len(head), *(len(row[i]) for row in rows)) for i, head in enumerate(heads)]
        for row in (heads, *rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    table = Table(*heads, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    out.print(table)
