"""`driftd versions MODEL`: its versions and their evaluations."""

from typing import Any

from daemon.cli.arguments import Json, ModelArgument
from daemon.cli.output import iso, print_json, print_table, when
from daemon.cli.session import SESSION, known_model
from daemon.reports.performance import BLIND

NO_PERFORMANCE = {"labelled": None, "estimated": None}


def versions(model: ModelArgument, json: Json = False) -> None:
    """A model's versions, how they were evaluated, and which one is served."""
    from daemon.ledger import checks, promotions, trials
    from daemon.ledger import versions as stored
    from daemon.reports.trial import trial_json

    config = SESSION.config()
    known_model(config, model)
    with SESSION.ledger(config) as ledger, ledger.connect() as conn:
        rows = stored.listed(conn, model)
        champion = promotions.champion(conn, model)
        tried, task = trials.by_version(conn, model), config.models[model].task
        trial_facts = {name: trial_json(conn, model, task, trial) for name, trial in tried.items()}
        latest = checks.latest_performances(conn, model)
    served = {m.version for m in champion.deployment.members} if champion is not None else set()
    pinned = config.models[model].retention.pinned
    facts = [
        _version(row, served, pinned, str(config.paths.model(model).version(row.name)))
        | latest.get(row.name, NO_PERFORMANCE)
        | {"trial": trial_facts.get(row.name)}
        for row in rows
    ]
    if json:
        print_json(facts)
    elif not facts:
        print(f"{model} has no version yet; `driftd status` says what it waits for")
    else:
        shown = [
            [("→ " if t["served"] else "  ") + t["version"], when(row.created_at), t["metric"] or "",
             "" if t["value"] is None else f"{t['value']:.4f}", _in_service(t), f"{row.train_rows:,}",
             str(row.cycle_id), _state(row, t["trial"])]
            for row, t in zip(rows, facts, strict=True)
        ]  # fmt: skip
        print_table(("  version", "made", "metric", "held-out", "in service", "rows", "cycle", "state"), shown)
        if any(_in_service(t).startswith("≈") for t in facts):
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
